"""Playbooks, their changes and what waits for a person, as lines for a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from cl_workbench.commands.table import time_text
from cl_workbench.terminal_text import one_line
from engines.ace.bullet import Bullet, Source
from engines.ace.diff import Changed, Diff, Words, words_changed
from engines.ace.operations import Add, Merge, Operation, Remove, Tag, Update
from engines.ace.outcome import Outcome
from engines.ace.playbook import Playbook
from engines.ace.review import Pending
from engines.ace.rows import bullet_row

_SHOWN_QUESTION = 120
_COLOURS = {"added": "green", "removed": "red", "changed": "yellow"}


def is_coloured() -> bool:
    """Whether stdout is a terminal that shows colours, and nobody asked for none."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def operation_text(operation: Operation | None, playbook: Playbook | None = None) -> str:
    """One operation on one line; in ``playbook`` the words are found that an UPDATE changes."""
    match operation:
        case Add():
            said = f"ADD to {operation.section}: {operation.text}"
        case Update():
            said = f"UPDATE {operation.id}: {_rewritten(operation, playbook)}"
        case Merge():
            said = f"MERGE {', '.join(operation.ids)}: {operation.text}"
        case Tag():
            said = f"TAG {operation.id} as {operation.tag}"
        case Remove():
            said = f"REMOVE {operation.id}{_removed(operation, playbook)}"
        case None:
            said = "an operation that can't be read"
    return one_line(said)


def _rewritten(update: Update, playbook: Playbook | None) -> str:
    bullet = playbook.get(update.id) if playbook is not None else None
    if bullet is None or bullet.text == update.text:
        return update.text
    return words_text(words_changed(bullet.text, update.text))


def _removed(remove: Remove, playbook: Playbook | None) -> str:
    bullet = playbook.get(remove.id) if playbook is not None else None
    return f": {bullet.text}" if bullet is not None else ""


def outcome_text(outcome: Outcome) -> str:
    """What came of one operation, and why."""
    what = operation_text(outcome.operation)
    if outcome.operation is None and outcome.given:
        what = f"{what} ({one_line(outcome.given)[:_SHOWN_QUESTION]})"
    return f"{outcome.verdict:<8}  {what}  ({one_line(outcome.why)})"


def pending_lines(number: int, held: Pending, playbook: Playbook) -> Iterator[str]:
    """One operation that waits, under its number for ``review``."""
    yield f"{number:>3}  {operation_text(held.operation, playbook)}"
    if held.operation.reason:
        yield f"     reason: {one_line(held.operation.reason)}"
    where = source_text(held.source)
    yield f"     held: {one_line(held.why)}; by the {held.origin}{where}, {time_text(held.at)}"


def bullet_lines(bullet: Bullet) -> Iterator[str]:
    """One bullet: what it is, what it says, and where it comes from."""
    yield f"{bullet.id}  helpful {bullet.helpful}  harmful {bullet.harmful}  {bullet.section}"
    yield f"    {one_line(bullet.text)}"
    made = f"made {time_text(bullet.created_at)} (revision {bullet.created})"
    changed = f"changed {time_text(bullet.updated_at)} (revision {bullet.updated})"
    told = made if bullet.created == bullet.updated else f"{made}, {changed}"
    yield f"    {told}{source_text(bullet.source)}"


def source_text(source: Source) -> str:
    """``, from document da16f056dfb0, loop 1, asked 'Who?'``; empty where nothing is known."""
    parts = [
        f"document {one_line(source.document)}" if source.document else "",
        f"loop {source.loop}" if source.loop is not None else "",
        f"asked '{_short(source.question)}'" if source.question else "",
    ]
    told = ", ".join(part for part in parts if part)
    return f", from {told}" if told else ""


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _SHOWN_QUESTION else f"{line[:_SHOWN_QUESTION]}…"


def diff_lines(difference: Diff, *, coloured: bool = False) -> Iterator[str]:
    """``+`` is added, ``-`` removed, ``~`` changed: ``[-old-]{+new+}`` words and new votes."""
    for bullet in difference.added:
        yield _painted(f"+ {_stated(bullet)}", "added", coloured)
    for bullet in difference.removed:
        yield _painted(f"- {_stated(bullet)}", "removed", coloured)
    for changed in difference.changed:
        yield _changed(changed, coloured)


def words_text(words: Sequence[Words], *, coloured: bool = False) -> str:
    """Words that went in ``[-…-]``, those that came in ``{+…+}``."""
    marks = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
    return "".join(
        _painted(f"{marks[run.kind][0]}{_kept_spaces(run.text)}{marks[run.kind][1]}", run.kind,
                 coloured)
        for run in words
    )  # fmt: skip


def _kept_spaces(text: str) -> str:
    before = " " if text[:1].isspace() else ""
    after = " " if text[-1:].isspace() and text.strip() else ""
    return f"{before}{one_line(text)}{after}"


def _stated(bullet: Bullet) -> str:
    votes = f"helpful {bullet.helpful}, harmful {bullet.harmful}"
    return f"{bullet.id}  {bullet.section} ({votes}): {one_line(bullet.text)}"


def _changed(changed: Changed, coloured: bool) -> str:
    votes = [
        f"{name} {before} → {before + by} ({by:+d})"
        for name, before, by in (
            ("helpful", changed.before.helpful, changed.helpful),
            ("harmful", changed.before.harmful, changed.harmful),
        )
        if by
    ]
    head = _painted(f"~ {changed.after.id}", "changed", coloured)
    told = "  ".join([head, *votes])
    if changed.words:
        return f"{told}: {words_text(changed.words, coloured=coloured)}"
    return told if votes else f"{told}  (only where it comes from)"


def _painted(text: str, kind: str, coloured: bool) -> str:
    return click.style(text, fg=_COLOURS[kind]) if coloured and kind in _COLOURS else text


def outcome_record(outcome: Outcome) -> dict[str, Any]:
    """What came of one operation, for programs."""
    return {
        "verdict": outcome.verdict,
        "operation": outcome.operation.to_json() if outcome.operation else None,
        "why": outcome.why,
        "id": outcome.id or None,
        "twin": outcome.twin or None,
        "given": outcome.given or None,
        "by_budget": outcome.by == "budget",
    }


def diff_record(difference: Diff) -> dict[str, Any]:
    """A difference for programs."""
    return {
        "added": [bullet_row(bullet) for bullet in difference.added],
        "removed": [bullet_row(bullet) for bullet in difference.removed],
        "changed": [
            {
                "id": changed.after.id,
                "before": bullet_row(changed.before),
                "after": bullet_row(changed.after),
                "helpful": changed.helpful,
                "harmful": changed.harmful,
                "words": [{"kind": run.kind, "text": run.text} for run in changed.words],
            }
            for changed in difference.changed
        ],
    }


def pending_record(number: int, held: Pending) -> dict[str, Any]:
    """One operation that waits, for programs."""
    return {
        "number": number,
        "operation": held.operation.to_json(),
        "why": held.why,
        "origin": held.origin,
        "at": held.at,
        "document": held.source.document,
        "question": held.source.question,
        "loop": held.source.loop,
    }


def verdict_counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many operations were accepted, refused and held."""
    counts = {"accepted": 0, "refused": 0, "held": 0}
    for outcome in outcomes:
        counts[outcome.verdict] += 1
    return counts
