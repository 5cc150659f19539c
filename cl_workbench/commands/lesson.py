"""One engine learning documents one after the other, shown as it goes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from cl_workbench.commands.console import ProgressDisplay
from cl_workbench.commands.figures import learning_detail, overlap_phrase
from cl_workbench.commands.interrupts import Interrupts
from cl_workbench.commands.outcome import Outcome
from cl_workbench.commands.pausing import NOBODY_ASKED, ask_how_to_go_on, can_ask
from cl_workbench.commands.reading import path_of, tell_failure
from cl_workbench.terminal_text import one_line
from engines.documents import UnreadableDocument
from engines.protocol import Decision, Document, Engine, EngineError, LearnReport, Progress

log = logging.getLogger(__name__)


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
    _guard: str | None = None
    _said: set[str] = field(default_factory=set)
    _foretold: bool = False
    _notes: list[str] = field(default_factory=list)

    def learn(self, documents: Sequence[Document]) -> None:
        """Learn ``documents``; a failure of one does not keep the others from it."""
        for number, document in enumerate(documents, start=1):
            done = len(self.outcome.learned) + len(self.outcome.failed)
            if not self.interrupts.requested:
                self._learn_one(document, _label(document, number, len(documents)))
            if done == len(self.outcome.learned) + len(self.outcome.failed):
                self._fail(document, "It was interrupted before it was learned.")
        self.outcome.interrupted = self.interrupts.requested

    def _learn_one(self, document: Document, label: str) -> None:
        self._guard, self._said, self._foretold, self._notes = None, set(), False, []
        try:
            for event in self._events(document):
                if isinstance(event, Progress):
                    self._show(event, document, label)
                else:
                    self._learned(event)
        except EngineError as error:
            self._fail(document, str(error))
        except Exception as error:
            log.exception("learning %s failed", path_of(document))
            reason = f"Learning it failed unexpectedly ({type(error).__name__}); see the log."
            self._fail(document, reason)

    def _events(self, document: Document) -> Iterator[Progress | LearnReport]:
        """The engine's events up to an interruption, which cancels at the end of its batch."""
        events = self.engine.learn(document)
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

    def _show(self, event: Progress, document: Document, label: str) -> None:
        self.display.show(f"{label} {event.stage}", event.fraction, learning_detail(event))
        title = one_line(document.title)
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

    def _fail(self, document: Document, reason: str) -> None:
        failure = UnreadableDocument(path_of(document), reason)
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
