"""Which device and number type a model gets, and whether it fits there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engines.model_store import size_text
from engines.protocol import ModelError

if TYPE_CHECKING:
    import torch

DTYPES = ("auto", "float32", "bfloat16", "float16")


def cuda_is_there() -> bool:
    """Whether torch can use a CUDA device on this machine."""
    import torch

    return torch.cuda.is_available()


def resolve_device(name: str) -> torch.device:
    """The device for ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    ``auto`` is the first CUDA device, else the CPU; ``mps`` is used only when asked for.

    Raises:
        ModelError: if there is no such device here.
    """
    import torch

    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise ModelError("There is no MPS device here: set model.device to auto or cpu.")
        return torch.device("mps")
    number = re.fullmatch(r"cuda(?::(\d+))?", name)
    if number is None:
        raise ModelError(
            f"model.device can't be {name!r}: use auto, cpu, cuda, cuda:N or mps, "
            "where N is the number of a GPU from 0."
        )
    return _cuda_device(int(number[1] or 0))


def resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    """The weights' type: ``auto`` is bfloat16 on CUDA and float32 elsewhere.

    Raises:
        ModelError: if ``name`` is none of ``DTYPES``.
    """
    import torch

    known = {
        "auto": torch.bfloat16 if device.type == "cuda" else torch.float32,
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
    }
    if name not in known:
        raise ModelError(f"model.dtype can't be {name!r}: use {', '.join(DTYPES)}.")
    return known[name]


def require_memory(needed: int, device: torch.device, name: str) -> None:
    """Refuse a model that can't fit before its weights are read.

    Raises:
        ModelError: if ``needed`` bytes are more than are free on ``device``.
    """
    free = _free_memory(device)
    if needed > free:
        where = "this machine's memory" if device.type != "cuda" else f"the memory of {device}"
        raise ModelError(
            f"{name} needs {size_text(needed)} of {where} and {size_text(free)} are free: "
            "choose a smaller model such as 'embedded', or close other programs."
        )


def _cuda_device(number: int) -> torch.device:
    import torch

    if not torch.cuda.is_available():
        raise ModelError(
            "There is no CUDA device here: set model.device to auto or cpu, "
            "or check the driver and that torch is a CUDA build."
        )
    count = torch.cuda.device_count()
    if number >= count:
        raise ModelError(
            f"There is no cuda:{number} here: the CUDA devices are cuda:0 to cuda:{count - 1}."
        )
    return torch.device("cuda", number)


def _free_memory(device: torch.device) -> int:
    if device.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(psutil.virtual_memory().available)
