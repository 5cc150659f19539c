"""The ledger of a checkpoint as its manifest tells it, one row for each document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from cl_workbench.commands.figures import overlap_phrase, relative_change, signed_percent, size_text
from cl_workbench.terminal_text import one_line
from engines.protocol import CheckpointError, Overlap


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One learned document; ``position`` counts from 1, ``bytes`` is what is kept of it."""

    position: int
    id: str
    title: str
    path: str | None
    tokens: int
    loss_before: float
    loss_after: float
    held_out_loss_before: float | None
    held_out_loss_after: float | None
    objective: str | None
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
    except (KeyError, TypeError, AttributeError) as error:
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
        id=entry["id"],
        title=entry["title"],
        path=entry.get("path"),
        tokens=entry["tokens"],
        loss_before=entry["loss_before"],
        loss_after=entry["loss_after"],
        held_out_loss_before=entry.get("held_out_loss_before"),
        held_out_loss_after=entry.get("held_out_loss_after"),
        objective=entry.get("objective"),
        learned_at=entry["learned_at"],
        bytes=entry.get("bytes"),
        muted=bool(entry.get("muted", False)),
        overlaps=tuple(Overlap(**overlap) for overlap in entry.get("overlaps", ())),
    )


def _facts(row: LedgerRow) -> list[str]:
    facts = [f"{row.tokens:,} tokens", f"loss {row.loss_before:.2f} to {row.loss_after:.2f}"]
    rise = relative_change(row.held_out_loss_before, row.held_out_loss_after)
    if rise is not None:
        facts.append(f"held-out {signed_percent(rise)}")
    if row.bytes is not None:
        facts.append(size_text(row.bytes))
    return facts
