"""The ledger as tensors and JSON, and back, with every value checked."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

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
    folder: Path,
    manifest: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    decoder: nn.ModuleList,
    layers: Sequence[int],
) -> tuple[list[Entry], float]:
    """The entries and α of a saved ledger.

    Raises:
        CheckpointError: if anything is missing, of the wrong type or not finite, or does
            not fit ``layers`` of ``decoder``.
    """
    try:
        alpha = _share(manifest["alpha"])
        documents = [dict(document) for document in manifest["documents"]]
        for document in documents:
            _check_layers(folder, document["layers"], layers, len(decoder))
        entries = [_entry(i, one, tensors, decoder) for i, one in enumerate(documents)]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"The checkpoint '{folder.name}' is damaged: learn its documents again and save."
        ) from error
    return entries, alpha


def _check_layers(folder: Path, learned: list[int], layers: Sequence[int], count: int) -> None:
    if list(learned) == list(layers):
        return
    start, end = min(learned), max(learned) + 1
    if list(learned) != list(range(start, end)) or start < 0 or end > count:
        raise ValueError(f"no such layers: {learned}")
    raise CheckpointError(
        f"The checkpoint '{folder.name}' learned in layers {start} to {end - 1}, and "
        f"{layers[0]} to {layers[-1]} learn now: set model.modified_layers_start {start} and "
        f"model.modified_layers_end {end}."
    )


def _entry(
    position: int, document: dict[str, Any], tensors: Mapping[str, Tensor], decoder: nn.ModuleList
) -> Entry:
    changes = {}
    for layer in document.pop("layers"):
        neurons = Neurons(*(tensors[f"{position}.{layer}.{part}"] for part in PARTS))
        _check(neurons, mlp_of(decoder, layer))
        changes[int(layer)] = neurons
    return Entry(_report(document), changes)


def _report(document: dict[str, Any]) -> LearnReport:
    kinds = get_type_hints(LearnReport)
    for name, value in document.items():
        kind = kinds[name]
        if name == "notes":
            document[name] = tuple(str(note) for note in value)
        elif kind in (float, float | None) and value is not None:
            document[name] = _finite(value)
        elif not isinstance(value, kind):
            raise TypeError(f"{name} is {value!r}")
    return LearnReport(**document)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    return float(value)


def _share(value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{value} is not a share")
    return float(value)


def _check(neurons: Neurons, mlp: nn.Module) -> None:
    gate = gated_mlp_parts(mlp).gate
    rows = (len(neurons.index), gate.in_features)
    for tensor in neurons.tensors():
        if tuple(tensor.shape) != rows or not bool(tensor.isfinite().all()):
            raise ValueError(f"a change of shape {tuple(tensor.shape)} is not finite or not {rows}")
    index = neurons.index.tolist()
    ascending = all(a < b for a, b in itertools.pairwise(index))
    if not index or not ascending or index[0] < 0 or index[-1] >= gate.out_features:
        raise ValueError("the neurons are not ascending or out of range")
