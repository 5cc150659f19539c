"""Reading a published ``pytorch_model.bin`` without trusting it.

A pickle is a program: unpickling calls whatever functions it names.  ``torch.load`` with
``weights_only=True`` runs it on an interpreter of its own, which knows tensors and plain
containers and stops at every other name.  The published files also hold configuration
objects; for the duration of one load their class names, and nothing else, are allowed and
stand for blank records here, so no code of theirs, of PEFT's or of anybody's is run.
"""

from __future__ import annotations

import pickle
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engines.protocol import CheckpointError

_RECORDS = (
    "ctx_to_lora.modeling.hypernet.HypernetConfig",
    "ctx_to_lora.modeling.aggregator.AggregatorConfig",
    "ctx_to_lora.configs.CtxEncoderArguments",
    "peft.tuners.lora.config.LoraConfig",
    "peft.tuners.lora.config.LoraRuntimeConfig",
)
_WORDS = (  # enumerations of strings
    "ctx_to_lora.modeling.aggregator.AGGREGATOR_TYPE",
    "ctx_to_lora.modeling.ctx_encoder.CTX_ENCODER_TYPE",
    "ctx_to_lora.pooling.POOL_FN",
    "peft.utils.peft_types.PeftType",
    "peft.utils.peft_types.TaskType",
)
_DEEPEST = 20  # levels of a configuration
_ONE_AT_A_TIME = threading.Lock()


class _Record:
    """An object of which only the attributes are read."""


def _stand_in(path: str, base: type) -> type:
    """An empty class that torch's unpickler takes for the one of that name."""
    module, _, name = path.rpartition(".")
    return type(name, (base,), {"__module__": module})


_ALLOWED: list[Any] = [
    *(_stand_in(path, _Record) for path in _RECORDS),
    *(_stand_in(path, str) for path in _WORDS),
    set,
]


def read_pickled(path: Path) -> dict[str, Any]:
    """What a file of ``torch.save`` holds: tensors on the CPU, all else as plain values.

    Both forms that ``torch.save`` has had are read.  Objects become dicts of their
    attributes, enumerations strings, sets sorted lists.

    Raises:
        CheckpointError: if the file asks for anything that isn't allowed (which is not
            run), is broken or cut off, or doesn't hold a dict.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no file {path}: give the path of a pytorch_model.bin.")
    try:
        with _only_these_allowed():
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_refusal(path, str(error))) from error
    except Exception as error:
        # A broken file can make the reader fail in any way, and none of them is ours.
        raise CheckpointError(
            f"{path.name} can't be read ({type(error).__name__}): it is broken or cut off; "
            "fetch it again."
        ) from error
    if not isinstance(found, Mapping):
        raise CheckpointError(
            f"{path.name} holds a {type(found).__name__}, not the weights of a hypernetwork by "
            "name: give the path of a pytorch_model.bin."
        )
    return {str(k): v if isinstance(v, Tensor) else plain(v) for k, v in found.items()}


def plain(value: Any, depth: int = 0) -> Any:
    """``value`` as JSON could hold it; what it can't is given by its type's name."""
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, str):
        return str(value)  # an enumeration's word is a str of another type
    if isinstance(value, (bool, int, float, type(None))):
        return value
    return _plain_container(value, depth + 1)


def _plain_container(value: Any, depth: int) -> Any:
    if isinstance(value, _Record):
        return plain(vars(value), depth)
    if isinstance(value, Mapping):
        return {str(key): plain(item, depth) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item, depth) for item in value), key=str)
    return type(value).__name__


@contextmanager
def _only_these_allowed() -> Iterator[None]:
    """Allow our names alone: what other libraries have allowed is put back afterwards."""
    with _ONE_AT_A_TIME:
        before = torch.serialization.get_safe_globals()
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(_ALLOWED)
        try:
            yield
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(before)


def _refusal(path: Path, reason: str) -> str:
    named = re.search(r"GLOBAL ([\w.]+)", reason)
    what = f"asks for {named[1]}" if named else "asks for what weights don't need"
    return (
        f"{path.name} {what}, which opening a checkpoint must not run: it was not opened; don't "
        "use this file, and fetch the published one instead."
    )
