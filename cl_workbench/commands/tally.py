"""What learning playbooks came to, added up from what the engine told on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cl_workbench.terminal_text import one_line
from engines.ace.events import AceProgress
from engines.ace.review import pending
from engines.ace.revisions import History
from engines.decoding import counted


@dataclass(slots=True)
class Tally:
    """One learn: every figure is one that the engine gave.

    ``right`` is the share (0..1) of each loop's questions that were answered right before
    anything was learned from them.  ``history`` is the playbook as it was told last.
    """

    title: str
    id: str | None = None
    questions: int = 0
    validation_questions: int = 0
    right: dict[int, float] = field(default_factory=dict)
    validation_before: float | None = None
    validation_after: float | None = None
    accepted: int = 0
    refused: int = 0
    held: int = 0
    tokens: int = 0
    skipped: int = 0
    unknown_ids: int = 0
    whole: bool = False
    history: History | None = None

    def take(self, event: AceProgress) -> None:
        """Take in one event."""
        if event.purpose == "learning" and event.question:
            self.questions = event.questions
        elif event.purpose == "validating" and event.question:
            self.validation_questions = event.questions
        if event.score is not None and event.loop:
            self.right[event.loop] = event.score
        if event.validation is not None:
            self.validation_after = event.validation
            self.validation_before = event.validation_before
        for outcome in event.outcomes:
            self.accepted += outcome.verdict == "accepted"
            self.refused += outcome.verdict == "refused"
            self.held += outcome.verdict == "held"
        self.tokens, self.skipped = event.spent_tokens, event.skipped
        self.unknown_ids = event.unknown_ids
        self.history = event.history or self.history

    def record(self) -> dict[str, Any]:
        """The figures for programs; ``whole`` is false where it was broken off."""
        return {
            "id": self.id,
            "title": self.title,
            "questions": self.questions,
            "validation_questions": self.validation_questions,
            "right": [self.right[loop] for loop in sorted(self.right)],
            "validation_before": self.validation_before,
            "validation_after": self.validation_after,
            "accepted": self.accepted,
            "refused": self.refused,
            "held": self.held,
            "tokens": self.tokens,
            "skipped": self.skipped,
            "unknown_ids": self.unknown_ids,
            "whole": self.whole,
        }


@dataclass(slots=True)
class PlaybookOutcome:
    """What became of the playbook; ``name`` and ``path`` are those of its file, if it has one.

    ``faults`` are sentences on what could not be kept.
    """

    history: History
    name: str | None = None
    path: str | None = None
    trace: str | None = None
    tallies: list[Tally] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """The object ``playbook`` of ``--json``."""
        return {
            "name": self.name,
            "path": self.path,
            "revision": self.history.head.number,
            "bullets": len(self.history.playbook.bullets),
            "waiting": len(pending(self.history)),
            "accepted": sum(tally.accepted for tally in self.tallies),
            "refused": sum(tally.refused for tally in self.tallies),
            "held": sum(tally.held for tally in self.tallies),
            "tokens": sum(tally.tokens for tally in self.tallies),
            "skipped": sum(tally.skipped for tally in self.tallies),
            "trace": self.trace,
            "lessons": [tally.record() for tally in self.tallies],
            "faults": self.faults,
        }

    def lines(self) -> list[str]:
        """The figures for people, and how to see more."""
        told = [line for tally in self.tallies if (line := _tally_line(tally))]
        bullets = counted(len(self.history.playbook.bullets), "bullet")
        where = f" in {self.name}" if self.name else ""
        told.append(f"Playbook: {bullets}{where}{_operations(self.tallies)}{_spent(self.tallies)}.")
        if self.trace:
            told.append(f"What the roles said is in {one_line(self.trace)}.")
        waiting = len(pending(self.history))
        if self.name:
            told.append(_more(self.name, waiting))
        elif waiting or self.history.playbook.bullets:
            waits = f" ({waiting} waiting)" if waiting else ""
            told.append(f"With --playbook NAME it is kept{waits}: see `cl-workbench playbook -h`.")
        return told


def percent(share: float) -> str:
    """``0.5`` as ``50 %``."""
    return f"{100 * share:.0f} %"


def _tally_line(tally: Tally) -> str:
    parts = []
    if tally.right:
        course = " → ".join(percent(tally.right[loop]) for loop in sorted(tally.right))
        asked = counted(tally.questions, "question")
        parts.append(f"right answers by loop {course} of {asked}")
    if tally.validation_before is not None and tally.validation_after is not None:
        change = f"{percent(tally.validation_before)} → {percent(tally.validation_after)}"
        parts.append(f"validation {change} of {tally.validation_questions} kept apart")
    if not tally.whole and parts:
        parts.append("broken off")
    return f"{one_line(tally.title)}: {', '.join(parts)}" if parts else ""


def _operations(tallies: list[Tally]) -> str:
    accepted = sum(tally.accepted for tally in tallies)
    refused = sum(tally.refused for tally in tallies)
    held = sum(tally.held for tally in tallies)
    return f"; operations: {accepted:,} accepted, {refused:,} refused, {held:,} held"


def _spent(tallies: list[Tally]) -> str:
    skipped = sum(tally.skipped for tally in tallies)
    tokens = sum(tally.tokens for tally in tallies)
    unusable = f", {counted(skipped, 'role turn')} skipped as unusable" if skipped else ""
    return f"; {tokens:,} tokens spent{unusable}"


def _more(name: str, waiting: int) -> str:
    if not waiting:
        return f"See it with `cl-workbench playbook show {name}`."
    verb = "operation waits" if waiting == 1 else "operations wait"
    return f"{waiting:,} {verb}: `cl-workbench playbook review {name}` shows what."
