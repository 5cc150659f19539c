"""The ledger as tensors and JSON, and back, with every value checked."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engines import checkpoint_parts
from engines.doc2lora.applied import check_fit, targets_of
from engines.doc2lora.ledger import Entry, Origin
from engines.doc2lora.lora import Lora
from engines.doc2lora.settings import MOST_STRENGTH
from engines.host import ModelHost
from engines.protocol import EngineError
from engines.reports import check_unique, report_of

Parts = dict[str, dict[str, Tensor]]

_TYPES = (torch.float32, torch.bfloat16)
_IDENTITY = re.compile(r"[0-9a-f]{16}")


def pack(entries: Sequence[Entry]) -> tuple[list[dict[str, Any]], Parts]:
    """The manifest's ``documents``; one part for each document and each bias LoRA."""
    parts: Parts = {}
    documents = []
    for entry in entries:
        extra = {
            "muted": entry.muted,
            "weight": entry.weight,
            "scaling": entry.lora.scaling,
            "lora_chunks": entry.chunks,
            "hypernetwork": dataclasses.asdict(entry.origin),
            "has_bias": entry.bias is not None,
        }
        documents.append(dataclasses.asdict(entry.report) | extra)
        parts[entry.report.id] = _tensors(entry.lora)
        if entry.bias is not None:
            parts[_bias_part(entry.origin)] = _tensors(entry.bias)
    return documents, parts


def unpack(
    folder: Path,
    manifest: Mapping[str, Any],
    parts: Mapping[str, Mapping[str, Tensor]],
    host: ModelHost,
) -> list[Entry]:
    """The entries of a saved ledger.

    Raises:
        CheckpointError: if anything is missing, of the wrong type, not finite, or doesn't fit
            the base.
    """
    biases: dict[str, Lora] = {}
    try:
        entries = [_entry(dict(row), parts, host, biases) for row in manifest["documents"]]
        check_unique([entry.report.id for entry in entries])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, EngineError) as error:
        raise checkpoint_parts.damaged(folder) from error
    return entries


def dial(value: Any) -> float:
    """A weight or strength as a float.  Raises ``ValueError`` if it is not from 0 to 4."""
    if isinstance(value, bool) or not 0.0 <= value <= MOST_STRENGTH:
        raise ValueError(f"{value!r} is no strength")
    return float(value)


def _entry(
    row: dict[str, Any],
    parts: Mapping[str, Mapping[str, Tensor]],
    host: ModelHost,
    biases: dict[str, Lora],
) -> Entry:
    muted, weight = row.pop("muted"), dial(row.pop("weight"))
    scaling, chunks = _scaling(row.pop("scaling")), row.pop("lora_chunks")
    origin, has_bias = _origin(row.pop("hypernetwork")), row.pop("has_bias")
    if not (isinstance(muted, bool) and isinstance(has_bias, bool)):
        raise TypeError(f"muted is {muted!r} and has_bias {has_bias!r}")
    report = report_of(row)
    if not report.id or "." in report.id:
        raise ValueError(f"{report.id!r} can't name an adapter")
    lora = _lora(parts[report.id], scaling, host)
    if not isinstance(chunks, int) or chunks < 1 or lora.rank % chunks:
        raise ValueError(f"{chunks!r} chunks can't have rank {lora.rank}")
    if has_bias and origin.identity not in biases:
        biases[origin.identity] = _lora(parts[_bias_part(origin)], scaling, host)
    bias = biases[origin.identity] if has_bias else None
    return Entry(report, lora, bias, chunks, origin, weight, muted)


def _origin(value: Mapping[str, Any]) -> Origin:
    name, identity, simulated = value["name"], value["identity"], value["simulated"]
    if not (isinstance(name, str) and isinstance(simulated, bool)):
        raise TypeError(f"the hypernetwork is {value!r}")
    if _IDENTITY.fullmatch(identity) is None:
        raise ValueError(f"{identity!r} names no weights")
    return Origin(name, identity, simulated)


def _scaling(value: Any) -> float:
    if isinstance(value, bool) or not 0 < value < float("inf"):
        raise ValueError(f"{value!r} is no scaling")
    return float(value)


def _lora(tensors: Mapping[str, Tensor], scaling: float, host: ModelHost) -> Lora:
    a, b = (tensors[name].to(host.device) for name in ("a", "b"))
    if a.dtype not in _TYPES or a.dtype != b.dtype:
        raise TypeError(f"a LoRA of {a.dtype} and {b.dtype}")
    if a.dim() != 3 or b.dim() != 3 or a.shape[:2] != b.shape[:2] or not a.shape[1]:
        raise ValueError(f"a LoRA of the shapes {tuple(a.shape)} and {tuple(b.shape)}")
    if not bool(a.isfinite().all() and b.isfinite().all()):
        raise ValueError("a LoRA is not finite")
    lora = Lora(a, b, scaling)
    check_fit(lora, targets_of(host.model))
    return lora


def _tensors(lora: Lora) -> dict[str, Tensor]:
    return {"a": lora.a, "b": lora.b}


def _bias_part(origin: Origin) -> str:
    return f"bias-{origin.identity}"


def dials(folder: Path, manifest: Mapping[str, Any]) -> tuple[float, float]:
    """Context strength and bias strength of a saved ledger.

    Raises:
        CheckpointError: if one is missing or out of its range.
    """
    try:
        return dial(manifest["context_strength"]), dial(manifest["bias_strength"])
    except (KeyError, TypeError, ValueError) as error:
        raise checkpoint_parts.damaged(folder) from error
