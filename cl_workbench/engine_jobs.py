"""What the engine thread does for each request, as plain steps over the engine's protocol."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from cl_workbench.messages import (
    AnswerBegan,
    AnswerEnded,
    AnswerText,
    DialSet,
    EngineState,
    Event,
    LearnBegan,
    LearnDone,
    LearnFailed,
    Learning,
    LearnSummary,
    Noted,
    StateChanged,
    Streamed,
    StreamEnded,
    Voice,
)
from engines.abilities import (
    ForeseesInterference,
    HasAlpha,
    HasLedger,
    HasStrength,
    KeepsPlaybook,
    MeasuresRecall,
    Retrieves,
    ScalesLoras,
    Studies,
    TakesFeedback,
)
from engines.documents import UnreadableDocument
from engines.protocol import (
    Citation,
    Decision,
    Document,
    Engine,
    EngineError,
    LearnReport,
    Nudge,
    Piece,
    Progress,
    Retrieval,
)

Emit = Callable[[Event], None]
Stop = Callable[[], bool]
Sentence = Callable[[Exception], str]
ReadDocument = Callable[[Path], Document | UnreadableDocument]
Change = Callable[[Engine], Iterable[Event]]
Steps = Callable[[Engine], Iterator[object]]
Decide = Callable[[Stop], Decision | None]

CONTEXT_STRENGTH = "context strength"
_ABILITIES = (
    HasAlpha, HasLedger, HasStrength, MeasuresRecall, Retrieves, Studies, ForeseesInterference,
    TakesFeedback, KeepsPlaybook, ScalesLoras,
)  # fmt: skip


def state_of(engine: Engine) -> EngineState:
    """The engine's ledger, what of it counts, and its dial, as immutable values."""
    ledger = tuple(engine.documents)
    state = EngineState(
        engine.name,
        ledger,
        alpha=float(engine.alpha) if isinstance(engine, HasAlpha) else None,
        abilities=frozenset(kind.__name__ for kind in _ABILITIES if isinstance(engine, kind)),
    )
    if isinstance(engine, HasStrength):
        strength, limit = float(engine.strength), float(engine.strength_limit)
        state = replace(state, strength=strength, strength_limit=limit)
    if isinstance(engine, ScalesLoras):
        state = replace(state, strength_name=CONTEXT_STRENGTH, simulated=engine.simulated)
    if isinstance(engine, TakesFeedback):
        state = replace(state, feedback=engine.feedback)
    if isinstance(engine, KeepsPlaybook):
        state = replace(state, history=engine.history, traces=engine.traces)
    if isinstance(engine, HasLedger):
        sizes = {report.id: engine.bytes_of(report.id) for report in ledger}
        state = replace(state, muted=engine.muted, bytes_of=sizes)
    return state


class LearnJob:
    """Learns documents one by one; each failure is told and the others still go on.

    Where the engine pauses, ``decide`` waits for a person; None keeps the best state.
    """

    def __init__(
        self,
        engine: Engine,
        stop: Stop,
        emit: Emit,
        sentence: Sentence,
        decide: Decide = lambda stop: None,
    ) -> None:
        self._engine = engine
        self._stop = stop
        self._emit = emit
        self._sentence = sentence
        self._decide = decide
        self._learned: list[LearnReport] = []
        self._failed: list[LearnFailed] = []

    def run(
        self, found: Sequence[Path | Document | UnreadableDocument], read: ReadDocument
    ) -> None:
        """Learn all that was found, or as much as there is before the stop signal."""
        cancelled: str | None = None
        number, count = 0, sum(not isinstance(item, UnreadableDocument) for item in found)
        for item in found:
            number += not isinstance(item, UnreadableDocument)
            document = read(item) if isinstance(item, Path) else item
            if isinstance(document, UnreadableDocument):
                self._fail(document.path, document.reason)
            elif self._stop() or not self._learn(document, number, count):
                cancelled = document.title
                break
        if cancelled is None and self._stop() and not self._learned and not self._failed:
            cancelled = "the documents"
        self._emit(LearnSummary(tuple(self._learned), tuple(self._failed), cancelled))

    def _learn(self, document: Document, number: int, count: int) -> bool:
        """Learn one document; false if it was cancelled."""
        self._emit(LearnBegan(document.id, document.title, document.path, number, count))
        try:
            report = self._drain(document)
        except Exception as error:
            self._fail(document.path or document.title, self._sentence(error))
            return True
        if report is not None:
            self._learned.append(report)
            self._emit(LearnDone(report))
            self._emit(StateChanged(state_of(self._engine)))
        return report is not None

    def _drain(self, document: Document) -> LearnReport | None:
        """The report, or None after closing the generator because of the stop signal."""
        events = self._engine.learn(document)
        with closing(events):  # type: ignore[type-var]
            event = next(events, None)
            while event is not None:
                if isinstance(event, LearnReport):
                    return event
                self._emit(Learning(event))
                decision = self._decide(self._stop) if event.paused else None
                if self._stop():
                    return None
                event = _after(events, decision)
        raise EngineError(f"'{document.title}' ended without a report; learn it again.")

    def _fail(self, subject: str, sentence: str) -> None:
        failure = LearnFailed(subject, sentence)
        self._failed.append(failure)
        self._emit(failure)


def _after(
    events: Iterator[Progress | LearnReport], decision: Decision | None
) -> Progress | LearnReport | None:
    """The next event, the generator being told what was decided; None at its end."""
    if decision is None or not isinstance(events, Generator):
        return next(events, None)
    try:
        event: Progress | LearnReport = events.send(decision)
    except StopIteration:
        return None
    return event


class AnswerJob:
    """Streams one answer, stopping between tokens when it is cancelled."""

    def __init__(
        self, number: int, voice: Voice, stop: Stop, emit: Emit, clock: Callable[[], float]
    ) -> None:
        self._number = number
        self._voice = voice
        self._stop = stop
        self._emit = emit
        self._clock = clock
        self._parts: list[str] = []
        self._tokens = 0
        self._retrieval: Retrieval | None = None
        self._citations: list[Citation] = []
        self._nudges: list[Nudge] = []
        self._spans: list[tuple[int, int]] = []

    def run(self, reply: Callable[[], Iterator[Piece]], sentence: Sentence) -> bool:
        """Stream the pieces of ``reply``; a failure ends the answer with one sentence.

        True if the answer came to its own end.
        """
        self._emit(AnswerBegan(self._number, self._voice))
        began = self._clock()
        failure = None
        try:
            cancelled = self._stop() or not self._stream(reply())
        except Exception as error:
            cancelled, failure = False, sentence(error)
        seconds = self._clock() - began
        text = "".join(self._parts)
        self._emit(
            AnswerEnded(
                self._number, text, self._tokens, seconds, cancelled, failure,
                self._retrieval, tuple(self._citations), tuple(self._nudges), tuple(self._spans),
            )
        )  # fmt: skip
        return failure is None and not cancelled

    def _stream(self, pieces: Iterator[Piece]) -> bool:
        """True if the answer came to its own end."""
        with closing(pieces):  # type: ignore[type-var]
            for piece in pieces:
                self._tokens += piece.tokens
                self._note(piece)
                if piece.text:
                    self._parts.append(piece.text)
                    self._emit(AnswerText(self._number, piece.text))
                if self._stop():
                    return False
        return True

    def _note(self, piece: Piece) -> None:
        """Keep what the piece carries besides its text."""
        self._retrieval = piece.retrieval or self._retrieval
        self._citations += piece.citations
        if piece.nudge is not None:
            begin = sum(map(len, self._parts))
            self._nudges.append(piece.nudge)
            self._spans.append((begin, begin + len(piece.text)))


class StreamJob:
    """Tells each value of an iterator; closing it, so that it can tidy up, where it is stopped."""

    def __init__(self, number: int, stop: Stop, emit: Emit) -> None:
        self._number = number
        self._stop = stop
        self._emit = emit

    def run(self, values: Callable[[], Iterator[object]], sentence: Sentence) -> None:
        """Drain ``values``; a failure ends the stream with one sentence."""
        failure = None
        try:
            cancelled = self._stop() or not self._drain(values())
        except Exception as error:
            cancelled, failure = False, sentence(error)
        self._emit(StreamEnded(self._number, cancelled, failure))

    def _drain(self, values: Iterator[object]) -> bool:
        """True if the values came to their own end."""
        with closing(values):  # type: ignore[type-var]
            for value in values:
                self._emit(Streamed(self._number, value))
                if self._stop():
                    return False
        return True


def forget(engine: Engine, document_id: str) -> Iterator[Event]:
    """Take one document back."""
    titles = {report.id: report.title for report in engine.documents}
    engine.forget(document_id)
    yield StateChanged(state_of(engine))
    yield Noted(f"Forgot {titles.get(document_id, document_id)}.")


def mute(engine: Engine, document_id: str, muted: bool) -> Iterator[Event]:
    """Leave a document out of the model, or take it in again."""
    try:
        _ledger_of(engine).mute(document_id, muted)
    finally:
        yield StateChanged(state_of(engine))


def move(engine: Engine, document_id: str, position: int) -> Iterator[Event]:
    """Put a document at ``position`` (from 0) of the ledger."""
    try:
        _ledger_of(engine).move(document_id, position)
    finally:
        yield StateChanged(state_of(engine))


def _ledger_of(engine: Engine) -> HasLedger:
    if not isinstance(engine, HasLedger):
        raise EngineError(f"The engine {engine.name} can only forget a document: press x.")
    return engine


def reset(engine: Engine) -> Iterator[Event]:
    """Forget every document."""
    engine.reset()
    yield StateChanged(state_of(engine))
    yield Noted("Everything was forgotten: the model is the base model again.")


def set_alpha(engine: Engine, alpha: float) -> Iterator[Event]:
    """Set the blend; an engine without α is left as it is."""
    try:
        if isinstance(engine, HasAlpha):
            engine.alpha = min(max(alpha, 0.0), 1.0)
    finally:
        yield DialSet(state_of(engine))


def set_strength(engine: Engine, strength: float) -> Iterator[Event]:
    """Set how strongly logits are moved; an engine that moves none is left as it is."""
    try:
        if isinstance(engine, HasStrength):
            engine.strength = min(max(strength, 0.0), engine.strength_limit)
    finally:
        yield DialSet(state_of(engine))


def save(engine: Engine, folder: Path) -> Iterator[Event]:
    """Write the learned state."""
    engine.save(folder)
    yield Noted(f"Saved as {folder.name}.")


def load(engine: Engine, folder: Path) -> Iterator[Event]:
    """Replace the learned state."""
    engine.load(folder)
    yield StateChanged(state_of(engine))
    yield Noted(f"Opened {folder.name}: {len(engine.documents)} documents.")
