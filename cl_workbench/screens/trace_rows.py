"""A trace as the rows that are read on screen: a role's turn with all that came of it."""

from __future__ import annotations

from dataclasses import replace

from cl_workbench.screens.role_lines import changes_of
from engines.ace.roles import RoleTurn
from engines.ace.trace import Trace, TraceEntry
from widgets.role_turns import RoleTurnRow


def rows_of(trace: Trace) -> tuple[RoleTurnRow, ...]:
    """The turns in order; a verdict, operations and remarks belong to the turn before them.

    What happened for another question than the last turn, such as a person's decision, has a
    row of its own.
    """
    rows: list[RoleTurnRow] = []
    place: tuple[object, ...] | None = None
    for entry in trace.entries:
        here = (entry.purpose, entry.loop, entry.question)
        if entry.turn is not None:
            rows.append(_turn_row(len(rows) + 1, entry, entry.turn))
        elif not rows or here != place or entry.note:
            rows.append(RoleTurnRow(len(rows) + 1, loop_of(entry), entry.question, "", entry.asked))
        place = here
        rows[-1] = _with(rows[-1], entry)
    return tuple(rows)


def loop_of(entry: TraceEntry) -> str:
    """In which loop it happened, or what else it was for."""
    if entry.purpose == "learning":
        return f"loop {entry.loop}" if entry.loop else entry.purpose
    if entry.purpose == "validating":
        return f"check {entry.loop}" if entry.loop else "check at first"
    return "writing" if entry.purpose == "writing questions" else entry.purpose


def _turn_row(number: int, entry: TraceEntry, turn: RoleTurn) -> RoleTurnRow:
    notes = [turn.why_not] if turn.why_not and turn.why_not not in turn.problems else []
    if turn.unknown_ids:
        notes.append(f"No bullet has the ids {', '.join(turn.unknown_ids)}.")
    if turn.passages_left_out or turn.bullets_left_out:
        left_out = f"{turn.passages_left_out} passages, {turn.bullets_left_out} bullets"
        notes.append(f"Left out for room: {left_out}.")
    return RoleTurnRow(
        number,
        loop_of(entry),
        entry.question,
        turn.role,
        entry.asked,
        turn.tokens,
        turn.seconds,
        turn.attempts,
        failed=turn.parsed is None and bool(turn.failure),
        thinking=turn.thinking,
        said=turn.said,
        prompt=tuple((one.role, one.content) for one in turn.prompt),
        problems=turn.problems,
        notes=tuple(notes),
    )


def _with(row: RoleTurnRow, entry: TraceEntry) -> RoleTurnRow:
    changes = (*row.changes, *changes_of(entry.outcomes, None))
    notes = (*row.notes, entry.note) if entry.note else row.notes
    right = row.right if entry.right is None else entry.right
    return replace(row, changes=changes, notes=notes, right=right)
