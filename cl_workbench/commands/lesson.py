"""One engine learning documents one after the other, shown as it goes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Protocol

from cl_workbench.commands.console import ProgressDisplay
from cl_workbench.commands.figures import learning_detail, learning_stage, overlap_phrase
from cl_workbench.commands.interrupts import Interrupts
from cl_workbench.commands.outcome import Outcome
from cl_workbench.commands.pausing import NOBODY_ASKED, ask_how_to_go_on, can_ask
from cl_workbench.commands.reading import path_of, tell_failure
from cl_workbench.terminal_text import one_line
from engines.ace.events import AceProgress
from engines.documents import UnreadableDocument
from engines.protocol import Decision, Document, Engine, EngineError, LearnReport, Progress

_Events = Iterator[Progress | LearnReport]

log = logging.getLogger(__name__)


class Follower(Protocol):
    """What is told of each learn beside the person who watches."""

    def begin(self, title: str, id_: str | None) -> None:
        """One begins; ``id_`` is that of the document, if it is one."""

    def see(self, event: Progress) -> None:
        """It came so far."""

    def end(self, *, whole: bool) -> None:
        """It is over; not ``whole`` if it failed or was interrupted."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is learned: where it lies, its title, its id, and what the bar calls it."""

    path: str
    title: str
    id: str | None
    label: str


@dataclass(slots=True)
class Lesson:
    """Learns until it is interrupted; the outcome is told what became of each document.

    ``record`` is given each report with the name of the engine and of the model.
    """

    engine: Engine
    outcome: Outcome
    display: ProgressDisplay
    interrupts: Interrupts
    record: Callable[[LearnReport, str, str], None] | None = None
    follower: Follower | None = None
    _guard: str | None = None
    _said: set[str] = field(default_factory=set)
    _foretold: bool = False
    _notes: list[str] = field(default_factory=list)
    _ended: bool = False

    def learn(self, documents: Sequence[Document]) -> None:
        """Learn ``documents``; a failure of one does not keep the others from it."""
        for number, document in enumerate(documents, start=1):
            done = len(self.outcome.learned) + len(self.outcome.failed)
            if not self.interrupts.requested:
                self._learn_one(document, _label(document, number, len(documents)))
            if done == len(self.outcome.learned) + len(self.outcome.failed):
                self._fail(path_of(document), "It was interrupted before it was learned.")
        self.outcome.interrupted = self.interrupts.requested

    def practise(self, events: Iterator[Progress], path: str, title: str) -> bool:
        """Watch ``events``, which learn from the questions in ``path`` alone; whether they ended.

        An interruption closes them; a failure is noted as one of ``path``.
        """
        whole = self._follow(lambda: events, _Subject(path, title, None, one_line(title)[:32]))
        self.outcome.interrupted = self.interrupts.requested
        return whole

    def _learn_one(self, document: Document, label: str) -> None:
        subject = _Subject(path_of(document), document.title, document.id, label)
        self._follow(lambda: self.engine.learn(document), subject)

    def _follow(self, begun: Callable[[], _Events], subject: _Subject) -> bool:
        """Show all events to their end; false if they failed or were interrupted."""
        self._guard, self._said, self._foretold, self._notes = None, set(), False, []
        self._ended = False
        if self.follower is not None:
            self.follower.begin(subject.title, subject.id)
        try:
            with closing(self._events(begun())) as watched:
                for event in watched:
                    if isinstance(event, Progress):
                        self._show(event, subject)
                    else:
                        self._learned(event)
        except EngineError as error:
            self._fail(subject.path, str(error))
        except Exception as error:
            log.exception("learning %s failed", subject.path)
            reason = f"Learning it failed unexpectedly ({type(error).__name__}); see the log."
            self._fail(subject.path, reason)
        finally:
            if self.follower is not None:
                self.follower.end(whole=self._ended)
        return self._ended

    def _events(self, events: _Events) -> Generator[Progress | LearnReport, None, None]:
        """The engine's events up to an interruption, which cancels at the end of its batch."""
        decision: Decision | None = None
        try:
            while (event := _next_event(events, decision)) is not None:
                if self.interrupts.requested and isinstance(event, Progress):
                    return
                yield event
                decision = None
                if isinstance(event, Progress) and event.paused:
                    decision = self._decide(event)
                    if self.interrupts.requested:
                        return
            self._ended = True
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()

    def _decide(self, event: Progress) -> Decision | None:
        if can_ask():
            return ask_how_to_go_on(event, self.display, self.interrupts)
        if NOBODY_ASKED not in self._notes:
            self._notes.append(NOBODY_ASKED)
        return None

    def _show(self, event: Progress, subject: _Subject) -> None:
        if self.follower is not None:
            self.follower.see(event)
        stage = f"{subject.label} {learning_stage(event)}"
        self.display.show(stage, event.fraction, learning_detail(event))
        title = one_line(subject.title)
        if isinstance(event, AceProgress) and event.message and event.message not in self._said:
            self.display.say(f"{title}: {event.message}")
            self._said.add(event.message)
        if event.guard and event.guard != self._guard:
            self.display.say(f"{title}: {event.guard}")
            self._guard = event.guard
            self._said.add(event.guard)
        if event.overlaps and not self._foretold:
            self.display.say(f"{title}: would move {overlap_phrase(event.overlaps)}")
            self._foretold = True

    def _learned(self, report: LearnReport) -> None:
        report = replace(report, notes=(*report.notes, *self._notes))
        self.outcome.learned.append(report)
        log.info("learned %s", report)
        if self.record is not None:
            self.record(report, self.engine.name, self.outcome.model or "")
        for note in report.notes:
            if note in self._said:
                continue
            self.display.say(f"{one_line(report.title)}: {note}")

    def _fail(self, path: str, reason: str) -> None:
        failure = UnreadableDocument(path, reason)
        self.outcome.failed.append(failure)
        tell_failure(failure)


def _next_event(
    events: Iterator[Progress | LearnReport], decision: Decision | None
) -> Progress | LearnReport | None:
    """The next event after telling ``decision`` to the engine; None at the end."""
    send = getattr(events, "send", None)
    try:
        event: Progress | LearnReport = send(decision) if send else next(events)
    except StopIteration:
        return None
    return event


def _label(document: Document, number: int, count: int) -> str:
    return f"[{number}/{count}] {one_line(document.title)[:32]}"
