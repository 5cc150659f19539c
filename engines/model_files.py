"""What lies in a model's folder, looked at before anything large is read."""

from __future__ import annotations

import json
import math
from pathlib import Path

from engines.protocol import ModelError

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
_TOKENIZERS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"))
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def missing_parts(folder: Path) -> str | None:
    """What a folder lacks to be loaded, as a phrase, or None if it is complete."""
    if not (folder / CONFIG).is_file():
        return f"no {CONFIG}"
    try:
        absent = [file.name for file in weight_files(folder) if not file.is_file()]
    except ModelError as error:
        return str(error).rstrip(".")
    if absent:
        return f"no {', '.join(absent)}"
    return None if _has_tokenizer(folder) else "no tokenizer.json or tokenizer.model"


def _has_tokenizer(folder: Path) -> bool:
    return any(all((folder / name).is_file() for name in names) for names in _TOKENIZERS)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold the weights, present or not, each once.

    Raises:
        ModelError: if the index of a model in several files can't be read.
    """
    if not (folder / INDEX).is_file():
        return [folder / WEIGHTS]
    try:
        parts = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()
        return [folder / Path(name).name for name in sorted(set(parts))]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"{folder / INDEX} is broken: download the model again.") from error


def check_folder(folder: Path) -> None:
    """Refuse a folder that can't be loaded, saying what is wrong with it.

    Raises:
        ModelError: if the folder, its configuration or its safetensors are not there.
    """
    if not folder.is_dir():
        raise ModelError(f"There is no model folder {folder}: check model.name.")
    missing = missing_parts(folder)
    if missing is None:
        return
    pickles = sorted(file.name for pattern in _PICKLES for file in folder.glob(pattern))
    if (folder / CONFIG).is_file() and pickles and not list(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder} has its weights in {pickles[0]} only, a format that can run code when it "
            "is opened: convert it to safetensors first."
        )
    raise ModelError(
        f"{folder} is not a whole model ({missing}): give a folder with {CONFIG}, the "
        "safetensors and the tokenizer."
    )


def count_weights(folder: Path) -> int:
    """How many numbers the safetensors of ``folder`` hold, read from their headers.

    Raises:
        ModelError: if a file is cut off or is not safetensors.
    """
    from safetensors import SafetensorError, safe_open

    total = 0
    for file in weight_files(folder):
        try:
            with safe_open(file, framework="pt") as tensors:
                total += sum(math.prod(tensors.get_slice(k).get_shape()) for k in tensors.keys())  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"{file} is damaged or cut off ({error}): download the model again."
            ) from error
    return total
