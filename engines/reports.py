"""A saved ledger's rows back as reports, with every value checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

from engines.protocol import LearnReport, Overlap


def report_of(row: Mapping[str, Any]) -> LearnReport:
    """The report that ``dataclasses.asdict`` and JSON made ``row`` of.

    Raises:
        KeyError, TypeError, ValueError: if a field is missing, unknown, of the wrong type or
            not finite.
    """
    kinds = get_type_hints(LearnReport)
    fields: dict[str, Any] = {}
    for name, value in row.items():
        kind = kinds[name]
        if name == "notes":
            fields[name] = tuple(str(note) for note in value)
        elif name == "overlaps":
            fields[name] = tuple(
                Overlap(str(o["document_id"]), str(o["title"]), share(o["share"])) for o in value
            )
        elif kind in (float, float | None) and value is not None:
            fields[name] = finite(value)
        elif not isinstance(value, kind):
            raise TypeError(f"{name} is {value!r}")
        else:
            fields[name] = value
    return LearnReport(**fields)


def finite(value: float) -> float:
    """``value`` as a float.  Raises ``ValueError`` if it is infinite or not a number."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    return float(value)


def share(value: float) -> float:
    """``value`` as a float.  Raises ``ValueError`` if it is not from 0 to 1."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{value} is not a share")
    return float(value)


def check_unique(ids: Sequence[str]) -> None:
    """Raise ``ValueError`` if a document is there twice."""
    if len(set(ids)) < len(ids):
        raise ValueError("a document is there twice")
