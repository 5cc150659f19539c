"""The ledger of a checkpoint as its manifest tells it, one row for each document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from cl_workbench.commands.figures import overlap_phrase, relative_change, signed_percent
from cl_workbench.commands.table import size_text
from cl_workbench.terminal_text import one_line
from engines.decoding import counted
from engines.protocol import CheckpointError, Overlap

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One learned document; ``position`` counts from 1, ``bytes`` is what is kept of it."""

    position: int
    id: str
    title: str
    path: str | None
    tokens: int
    loss_before: float | None
    loss_after: float | None
    held_out_loss_before: float | None
    held_out_loss_after: float | None
    objective: str | None
    chunks: int
    learned_at: str
    bytes: int | None
    muted: bool
    overlaps: tuple[Overlap, ...]


def rows_of(manifest: Mapping[str, Any], name: str) -> tuple[LedgerRow, ...]:
    """The documents of ``manifest``, in the order they were learned.

    Raises:
        CheckpointError: if the manifest has not what a ledger needs.
    """
    try:
        documents = list(manifest["documents"])
        return tuple(_row(number, entry) for number, entry in enumerate(documents, start=1))
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise CheckpointError(
            f"The checkpoint '{name}' is damaged: learn its documents again and save."
        ) from error


def print_rows(rows: Sequence[LedgerRow]) -> None:
    """Print two lines on each document."""
    for row in rows:
        muted = "  muted" if row.muted else ""
        click.echo(f"{row.position:>3}  {one_line(row.title)}  {row.id}{muted}")
        click.echo(f"     {', '.join(_facts(row))}")
        if row.overlaps:
            click.echo(f"     moved when it was learned: {overlap_phrase(row.overlaps)}")


def _row(number: int, entry: Mapping[str, Any]) -> LedgerRow:
    return LedgerRow(
        position=number,
        id=_text(entry["id"]),
        title=_text(entry["title"]),
        path=_if_given(_text, entry.get("path")),
        tokens=_count(entry["tokens"]),
        loss_before=_if_given(_number, entry["loss_before"]),
        loss_after=_if_given(_number, entry["loss_after"]),
        held_out_loss_before=_if_given(_number, entry.get("held_out_loss_before")),
        held_out_loss_after=_if_given(_number, entry.get("held_out_loss_after")),
        objective=_if_given(_text, entry.get("objective")),
        chunks=_if_given(_count, entry.get("chunks")) or 0,
        learned_at=_text(entry["learned_at"]),
        bytes=_if_given(_count, entry.get("bytes")),
        muted=bool(entry.get("muted", False)),
        overlaps=tuple(_overlap(overlap) for overlap in entry.get("overlaps", ())),
    )


def _overlap(entry: Mapping[str, Any]) -> Overlap:
    share = _number(entry["share"])
    return Overlap(_text(entry["document_id"]), _text(entry["title"]), share)


def _if_given(read: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else read(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _count(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    _number(value)  # what no float can hold can't be shown as a size either
    return value


def _facts(row: LedgerRow) -> list[str]:
    facts = [f"{row.tokens:,} tokens"]
    if row.loss_before is not None and row.loss_after is not None:
        facts.append(f"loss {row.loss_before:.2f} to {row.loss_after:.2f}")
    if row.chunks:
        facts.append(counted(row.chunks, "chunk"))
    rise = relative_change(row.held_out_loss_before, row.held_out_loss_after)
    if rise is not None:
        facts.append(f"held-out {signed_percent(rise)}")
    if row.bytes is not None:
        facts.append(size_text(row.bytes))
    return facts
