"""The ledger as tensors and JSON, and back, with every value checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from engines.families import gated_mlp_parts
from engines.protocol import CheckpointError, LearnReport
from engines.ttt.dual_mlp import Neurons, mlp_of
from engines.ttt.ledger import Entry

PARTS = ("index", "gate", "up", "down")


def pack(entries: Sequence[Entry]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The manifest's ``documents`` and the tensors ``document.layer.part``."""
    tensors = {}
    documents = []
    for position, entry in enumerate(entries):
        documents.append({**dataclasses.asdict(entry.report), "layers": list(entry.changes)})
        for layer, neurons in entry.changes.items():
            for part in PARTS:
                tensors[f"{position}.{layer}.{part}"] = getattr(neurons, part)
    return {"documents": documents}, tensors


def unpack(
    folder: Path, manifest: Mapping[str, Any], tensors: Mapping[str, Tensor], decoder: nn.ModuleList
) -> tuple[list[Entry], float]:
    """The entries and α of a saved ledger.

    Raises:
        CheckpointError: if anything is missing or does not fit the layers of ``decoder``.
    """
    try:
        entries = [
            _entry(position, dict(document), tensors, decoder)
            for position, document in enumerate(manifest["documents"])
        ]
        alpha = _share(manifest["alpha"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"The checkpoint '{folder.name}' is damaged: learn its documents again and save."
        ) from error
    return entries, alpha


def _share(value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{value} is not a share")
    return float(value)


def _entry(
    position: int, document: dict[str, Any], tensors: Mapping[str, Tensor], decoder: nn.ModuleList
) -> Entry:
    changes = {}
    for layer in document.pop("layers"):
        neurons = Neurons(*(tensors[f"{position}.{layer}.{part}"] for part in PARTS))
        _check(neurons, mlp_of(decoder, layer))
        changes[int(layer)] = neurons
    document["notes"] = tuple(document["notes"])
    return Entry(LearnReport(**document), changes)


def _check(neurons: Neurons, mlp: nn.Module) -> None:
    gate = gated_mlp_parts(mlp).gate
    rows = (len(neurons.index), gate.in_features)
    shapes = {tuple(t.shape) for t in neurons.tensors()}
    if shapes != {rows}:
        raise ValueError(f"shapes {shapes} are not {rows}")
    if len(neurons.index) and not 0 <= int(neurons.index.min()) <= int(neurons.index.max()) < (
        gate.out_features
    ):
        raise ValueError("a neuron is out of range")
