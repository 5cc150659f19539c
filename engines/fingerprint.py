"""A name for a base model's weights."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

SAMPLES = 64  # values looked at per parameter: enough to tell two trainings apart


def fingerprint(model: Any) -> str:
    """16 hex digits that name the weights of ``model``.

    Hashes each parameter's name, shape and evenly spaced values, rounded to bfloat16
    so that the same checkpoint has one name on a CPU in float32 and on a GPU in
    bfloat16.  Reads about a thousandth of the weights.
    """
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        flat = parameter.detach().reshape(-1)
        step = max(1, flat.numel() // SAMPLES)
        values = flat[::step][:SAMPLES].to("cpu", torch.bfloat16).view(torch.int16)
        digest.update(f"{name}{tuple(parameter.shape)}".encode())
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()[:16]
