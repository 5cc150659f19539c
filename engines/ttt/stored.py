"""The ledger as tensors and JSON, and back, with every value checked."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engines.families import gated_mlp_parts
from engines.protocol import CheckpointError
from engines.reports import check_unique, report_of, share
from engines.ttt.dual_mlp import mlp_of
from engines.ttt.ledger import Change, Entry, Rows

ROWS = ("gate", "up", "down")
Parts = dict[str, dict[str, Tensor]]


def pack(entries: Sequence[Entry]) -> tuple[list[dict[str, Any]], Parts]:
    """The manifest's ``documents``, and one part of tensors ``layer.name`` per document."""
    parts: Parts = {}
    documents = []
    for entry in entries:
        report = dataclasses.asdict(entry.report)
        extra = {"layers": list(entry.changes), "muted": entry.muted, "bytes": entry.bytes}
        documents.append(report | extra)
        parts[entry.report.id] = {
            f"{layer}.{name}": tensor
            for layer, change in entry.changes.items()
            for name, tensor in _tensors(change).items()
        } | {"tokens": entry.tokens}
    return documents, parts


def _tensors(change: Change) -> dict[str, Tensor]:
    named = {"index": change.index}
    for name in ROWS:
        rows: Rows = getattr(change, name)
        named |= {name: rows.packed, f"{name}.scale": rows.scale}
    return named


def plain(value: object) -> object:
    """A setting's value as JSON has it."""
    return str(value) if isinstance(value, Path) else value


def unpack(
    folder: Path,
    manifest: Mapping[str, Any],
    parts: Mapping[str, Mapping[str, Tensor]],
    decoder: nn.ModuleList,
    layers: Sequence[int],
) -> tuple[list[Entry], float]:
    """The entries and α of a saved ledger.

    Raises:
        CheckpointError: if anything is missing, of the wrong type or not finite, or does
            not fit ``layers`` of ``decoder``.
    """
    try:
        alpha = share(manifest["alpha"])
        documents = [dict(document) for document in manifest["documents"]]
        for document in documents:
            _check_layers(folder, document["layers"], layers, len(decoder))
        check_unique([one["id"] for one in documents])
        entries = [_entry(one, parts[one["id"]], decoder) for one in documents]
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
    document: dict[str, Any], tensors: Mapping[str, Tensor], decoder: nn.ModuleList
) -> Entry:
    changes = {}
    muted = document.pop("muted")
    if not isinstance(muted, bool):
        raise TypeError(f"muted is {muted!r}")
    document.pop("bytes")
    for layer in document.pop("layers"):
        mlp = mlp_of(decoder, layer)
        parts = gated_mlp_parts(mlp)
        device = parts.gate.weight.device
        own = {name: tensors[f"{layer}.{name}"].to(device) for name in _NAMES}
        rows = [Rows(own[name], own[f"{name}.scale"], parts.hidden) for name in ROWS]
        changes[int(layer)] = Change(own["index"], *rows)
        _check(changes[int(layer)], mlp)
    tokens = tensors["tokens"]
    if tokens.dtype != torch.int32 or tokens.dim() != 1:
        raise ValueError(f"the tokens are {tokens.dtype} of {tokens.dim()} dimensions")
    return Entry(report_of(document), changes, tokens, muted)


_NAMES = ("index", *ROWS, *(f"{name}.scale" for name in ROWS))


def _check(change: Change, mlp: nn.Module) -> None:
    gate = gated_mlp_parts(mlp).gate
    count = len(change.index)
    for rows in (change.gate, change.up, change.down):
        shapes = tuple(rows.packed.shape), tuple(rows.scale.shape)
        if shapes != ((count, -(-gate.in_features // 2)), (count, 1)):
            raise ValueError(f"a change has shapes {shapes}")
        if rows.packed.dtype != torch.uint8 or not bool(rows.scale.isfinite().all()):
            raise ValueError("a change is not of four bits with finite scales")
    index = change.index.tolist()
    ascending = all(a < b for a, b in itertools.pairwise(index))
    if not index or not ascending or index[0] < 0 or index[-1] >= gate.out_features:
        raise ValueError("the neurons are not ascending or out of range")
