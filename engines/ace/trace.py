"""What the roles were asked and said in one learn, to be read afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from engines.ace.bullet import now
from engines.ace.outcome import Outcome
from engines.ace.prompt_form import escaped
from engines.ace.roles import RoleTurn
from engines.protocol import Turn

FORMAT = "cl-workbench trace"
VERSION = 1
MAX_CHARACTERS = 8_000_000
_TEXT_CHARACTERS = 60_000  # of one prompt or answer
_KEPT_CHARACTERS = 300  # of an old answer, where the trace gets too long
_CUT = " […]"


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One role's turn, one patch, or one remark, with the loop and question it belongs to.

    Of a turn without ``prompt`` the trace got too long: the oldest prompts are let go of.
    """

    purpose: str
    loop: int = 0
    question: int = 0
    asked: str = ""
    turn: RoleTurn | None = None
    right: bool | None = None
    outcomes: tuple[Outcome, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that happened in one learn, in order."""

    title: str
    model: str
    where: str
    started_at: str
    entries: tuple[TraceEntry, ...] = ()
    shortened: int = 0

    @property
    def turns(self) -> tuple[RoleTurn, ...]:
        """The roles' turns alone."""
        return tuple(entry.turn for entry in self.entries if entry.turn is not None)

    def to_json(self) -> str:
        """The trace as indented JSON."""
        row = {
            "format": FORMAT,
            "version": VERSION,
            "title": self.title,
            "model": self.model,
            "where": self.where,
            "started_at": self.started_at,
            "shortened": self.shortened,
            "entries": [_row(entry) for entry in self.entries],
        }
        return _whole(json.dumps(row, ensure_ascii=False, indent=1)) + "\n"

    def to_markdown(self) -> str:
        """The trace for people, without the prompts' rules."""
        head = f"# Trace: {_line(self.title)}\n\n{self.model} {self.where}, {self.started_at}\n"
        parts = (f"\n{part}\n" for entry in self.entries for part in _parts(entry))
        return _whole(head + "".join(parts))


@dataclass(slots=True)
class Tracer:
    """Collects a trace and keeps it within ``most`` characters."""

    title: str
    model: str
    where: str
    most: int = MAX_CHARACTERS
    started_at: str = field(default_factory=now)
    _entries: list[TraceEntry] = field(default_factory=list)
    _characters: int = 0
    _shortened: int = 0

    def add(self, entry: TraceEntry) -> None:
        """Put ``entry`` at the end; old ones are shortened where the trace gets too long."""
        if entry.turn is not None:
            entry = replace(entry, turn=_bounded(entry.turn), asked=_cut(entry.asked))
        self._entries.append(entry)
        self._characters += _size(entry)
        while self._characters > self.most and self._shortened < len(self._entries):
            old = self._entries[self._shortened]
            short = _short(old)
            self._characters += _size(short) - _size(old)
            self._entries[self._shortened] = short
            self._shortened += 1

    def trace(self) -> Trace:
        """What was collected so far."""
        entries = tuple(self._entries)
        return Trace(self.title, self.model, self.where, self.started_at, entries, self._shortened)


def _whole(text: str) -> str:
    """``text`` with a question mark for half a character, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _cut(text: str, most: int = _TEXT_CHARACTERS) -> str:
    return text if len(text) <= most else text[:most] + _CUT


def _bounded(turn: RoleTurn) -> RoleTurn:
    prompt = tuple(Turn(one.role, _cut(one.content)) for one in turn.prompt)
    said, thinking = _cut(turn.said), _cut(turn.thinking)
    return replace(turn, prompt=prompt, said=said, thinking=thinking)


def _size(entry: TraceEntry) -> int:
    size = len(entry.asked) + len(entry.note) + 200 * len(entry.outcomes)
    if (turn := entry.turn) is not None:
        size += len(turn.said) + len(turn.thinking) + sum(len(one.content) for one in turn.prompt)
        size += len(turn.said) if turn.parsed is not None else 0
    return size


def _short(entry: TraceEntry) -> TraceEntry:
    asked = _cut(entry.asked, _KEPT_CHARACTERS)
    if (turn := entry.turn) is None:
        return replace(entry, asked=asked)
    said = _cut(turn.said, _KEPT_CHARACTERS)
    short = replace(turn, prompt=(), said=said, thinking="", parsed=None, problems=())
    return replace(entry, asked=asked, turn=short)


def _row(entry: TraceEntry) -> dict[str, Any]:
    row = asdict(replace(entry, outcomes=()))
    row["outcomes"] = [
        asdict(replace(outcome, operation=None))
        | {"operation": outcome.operation.to_json() if outcome.operation else None}
        for outcome in entry.outcomes
    ]
    return {key: value for key, value in row.items() if value not in (None, "", [])}


def _parts(entry: TraceEntry) -> Iterator[str]:
    place = f"loop {entry.loop}, question {entry.question}" if entry.question else entry.purpose
    if entry.turn is not None:
        yield f"## {entry.turn.role}: {place}"
        yield from _turn_parts(entry.turn)
    if entry.right is not None:
        yield f"The answer is {'right' if entry.right else 'wrong'}."
    if entry.outcomes:
        yield "\n".join(f"- {_outcome_line(outcome)}" for outcome in entry.outcomes)
    if entry.note:
        yield f"*{_line(entry.note)}*"


def _turn_parts(turn: RoleTurn) -> Iterator[str]:
    yield (
        f"{turn.prompt_tokens:,} tokens read, {turn.completion_tokens:,} written, "
        f"{turn.seconds:.1f} s, attempts: {turn.attempts}"
    )
    if turn.prompt:
        yield f"Asked:\n\n{_fenced(turn.prompt[-1].content)}"
    if turn.thinking:
        yield f"Thought:\n\n{_fenced(turn.thinking)}"
    yield f"Said:\n\n{_fenced(turn.said or '(nothing)')}"
    if turn.why_not:
        yield f"Not usable as it was: {_line(turn.why_not)}"
    if turn.unknown_ids:
        yield f"No bullet has the ids {_line(', '.join(turn.unknown_ids))}."


def _outcome_line(outcome: Outcome) -> str:
    what = outcome.operation.to_json() if outcome.operation else outcome.given
    return _line(f"{outcome.verdict}: {what}: {outcome.why}")


def _line(text: str) -> str:
    return escaped(" ".join(text.split()))


def _fenced(text: str) -> str:
    """``text`` in a fence that is longer than any in it."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"
