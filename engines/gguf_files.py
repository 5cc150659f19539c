"""Turning a GGUF file into plain float32 safetensors and a tokenizer, once."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engines import families
from engines.model_store import CACHE_VARIABLE, Report
from engines.protocol import ModelError
from engines.transformers_calls import explained, quiet

MAGIC = b"GGUF"
ROOM = f"make room or set {CACHE_VARIABLE} to another folder"


def check_magic(path: Path) -> None:
    """Refuse a file that is absent or no GGUF file by its first bytes.

    Raises:
        ModelError: naming the file.
    """
    try:
        with path.open("rb") as stream:
            magic = stream.read(len(MAGIC))
    except OSError as error:
        raise ModelError(
            f"Can't read {path} ({error.strerror or error}): check model.name and the file."
        ) from error
    if magic != MAGIC:
        raise ModelError(f"{path} is not a GGUF file: give another one or download it again.")


def converted_bytes(path: Path) -> int:
    """How many bytes the weights take in float32, read from the file's header.

    Raises:
        ModelError: if the header can't be read.
    """
    with _explained(path):
        from gguf import GGUFReader

        return sum(4 * math.prod(int(n) for n in t.shape) for t in GGUFReader(path).tensors)


def convert(path: Path, folder: Path, report: Report) -> None:
    """Write the model in ``path`` to ``folder``: float32 safetensors, config, tokenizer.

    Every quantised weight becomes the number it stands for, so nothing is lost.

    Raises:
        ModelError: if the file is broken or of a family without a gated MLP.
    """
    check_magic(path)
    with quiet(), _explained(path), _alone(path) as lone:
        report("reading the tokenizer", None)
        tokenizer = _tokenizer(lone)
        with _counting_tensors(report):
            model = _model(lone)
        families.check_supported(model)
    report("writing the converted model", None)
    with quiet(), explained("The converted model can't be written", ROOM):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _model(path: Path) -> Any:
    import torch
    import transformers

    # Older transformers always dequantise; newer ones keep the blocks unless told.
    keep = getattr(transformers, "GgufConfig", None)
    settings = {} if keep is None else {"quantization_config": keep(dequantize=True)}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, local_files_only=True, **settings
    )
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model


def _tokenizer(path: Path) -> Any:
    from gguf import GGUFReader
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        path.parent, gguf_file=path.name, local_files_only=True
    )
    field = GGUFReader(path).get_field("tokenizer.ggml.pre")
    if field is not None and field.contents() == "smollm":
        _split_digits(tokenizer)
    return tokenizer


def _split_digits(tokenizer: Any) -> None:
    """Cut numbers into digits before anything else, as SmolLM was trained.

    The file says so by a name only, which the conversion of the tokenizer leaves out;
    without it, white space before a number is cut differently.
    """
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )


@contextmanager
def _alone(path: Path) -> Iterator[Path]:
    """The same file in a folder of its own, as transformers also reads its neighbours."""
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / path.name
        link.symlink_to(path.resolve())
        yield link


@contextmanager
def _counting_tensors(report: Report) -> Iterator[None]:
    """Report each tensor instead of drawing a bar on the terminal, which may not be ours."""
    from transformers import modeling_gguf_pytorch_utils

    module: Any = modeling_gguf_pytorch_utils

    def counted(tensors: Iterable[Any], **_: Any) -> Iterator[Any]:
        items = list(tensors)
        for done, item in enumerate(items):
            report("converting the model", done / len(items))
            yield item

    before = getattr(module, "tqdm", None)
    module.tqdm = counted
    try:
        yield
    finally:
        module.tqdm = before


def _explained(path: Path) -> Any:
    return explained(
        f"{path.name} can't be converted", f"use a GGUF file that is whole; {families.SUPPORTED}"
    )
