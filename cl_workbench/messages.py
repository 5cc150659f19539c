"""What the engine thread tells the screen: immutable values, in the order they happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from textual.message import Message

from engines.abilities import Feedback
from engines.protocol import Citation, LearnReport, Nudge, Progress, Retrieval

if TYPE_CHECKING:
    from engines.ace.revisions import History
    from engines.ace.trace import Trace

Voice = Literal["learned", "base"]
Work = Literal["loading", "learning", "answering", "rating", "studying", "other"]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The loaded model in words; ``parameters`` counts tied weights once."""

    name: str
    why: str
    device: str
    dtype: str
    parameters: int


@dataclass(frozen=True, slots=True)
class EngineState:
    """What the engine holds after a job: its ledger, its α or strength where it has one.

    ``abilities`` are the names of the protocols in ``engines.abilities`` that it keeps.
    Where it keeps ``HasLedger``, ``muted`` holds the ids of documents that don't count now,
    and ``bytes_of`` the size of what is kept of each, by id.  ``strength_name`` says what the
    strength is one of; where ``simulated`` nothing was really learned.  ``feedback`` are the
    verdicts in force, where it takes any.  ``history`` is the playbook with its revisions
    where it keeps one, and ``traces`` what the roles said in the latest learns.
    """

    engine: str
    ledger: tuple[LearnReport, ...] = ()
    alpha: float | None = None
    abilities: frozenset[str] = frozenset()
    muted: frozenset[str] = frozenset()
    bytes_of: Mapping[str, int] = field(default_factory=dict)
    strength: float | None = None
    strength_limit: float = 0.0
    strength_name: str = "bias"
    simulated: bool = False
    feedback: tuple[Feedback, ...] = ()
    history: History | None = field(default=None, repr=False)
    traces: tuple[Trace, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class WorkBegan:
    """A job has begun; ``waiting`` counts those queued behind it."""

    work: Work
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class WorkEnded:
    """The job that had begun is over, whatever came of it."""

    work: Work


@dataclass(frozen=True, slots=True)
class Loading:
    """The model is being loaded; ``fraction`` is None where its length is unknown."""

    text: str
    fraction: float | None


@dataclass(frozen=True, slots=True)
class EngineReady:
    """The model and its engine are there."""

    model: ModelFacts
    state: EngineState


@dataclass(frozen=True, slots=True)
class EngineFailed:
    """There is no engine, and one sentence why and what to do.

    ``cancelled`` if a person stopped the loading; ``dropped`` counts the jobs that were
    in line for the model then.
    """

    sentence: str
    cancelled: bool = False
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class StateChanged:
    """Something was learned, forgotten, loaded or dialled."""

    state: EngineState


@dataclass(frozen=True, slots=True)
class DialSet:
    """One request to set α or the strength is done, whatever came of it."""

    state: EngineState


@dataclass(frozen=True, slots=True)
class LearnBegan:
    """Learning a document has begun: number ``number`` of ``count`` to be learned."""

    document_id: str
    title: str
    path: str | None
    number: int = 1
    count: int = 1


@dataclass(frozen=True, slots=True)
class Learning:
    """One step of the document that has begun."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class LearnDone:
    """A document was learned."""

    report: LearnReport


@dataclass(frozen=True, slots=True)
class LearnFailed:
    """A document could not be read or learned; the others still go on."""

    subject: str
    sentence: str


@dataclass(frozen=True, slots=True)
class LearnSummary:
    """The end of a learn job: what came of each document."""

    learned: tuple[LearnReport, ...]
    failed: tuple[LearnFailed, ...]
    cancelled: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerBegan:
    """An answer begins; ``number`` tells answers apart."""

    number: int
    voice: Voice


@dataclass(frozen=True, slots=True)
class AnswerText:
    """More of the answer: one or several pieces together."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """The answer is over; ``failure`` is one sentence where it broke off.

    ``retrieval``, ``citations`` and ``nudges`` are what its pieces carried; ``spans`` are
    start and end in ``text`` of the piece of each nudge, empty where its token had no words.
    """

    number: int
    text: str
    tokens: int
    seconds: float
    cancelled: bool = False
    failure: str | None = None
    retrieval: Retrieval | None = None
    citations: tuple[Citation, ...] = ()
    nudges: tuple[Nudge, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Rated:
    """A person's verdict on answer ``number`` was taken in; None where it was refused."""

    number: int
    feedback: Feedback | None


@dataclass(frozen=True, slots=True)
class RatingOn:
    """A verdict on answer ``number`` is being learned from: what happens, in words."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class RatingUndone:
    """One request to take the last verdict back is done, whatever came of it."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """One value of a stream that a screen of its own asked for, by the stream's number."""

    number: int
    value: object


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The stream is over; ``failure`` is one sentence where it broke off."""

    number: int
    cancelled: bool = False
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """Something was done that the screen shows in passing."""

    text: str


@dataclass(frozen=True, slots=True)
class JobFailed:
    """A job failed: one sentence that says what to do."""

    sentence: str


Event = (
    WorkBegan | WorkEnded | Loading | EngineReady | EngineFailed | StateChanged | DialSet
    | LearnBegan | Learning | LearnDone | LearnFailed | LearnSummary
    | AnswerBegan | AnswerText | AnswerEnded | Rated | RatingOn | RatingUndone
    | Streamed | StreamEnded | Noted | JobFailed
)  # fmt: skip


class EventsWaiting(Message):
    """Wakes the screen: the outbox holds something that should not wait for the timer."""

    def can_replace(self, message: Message) -> bool:
        """One of these in the queue is enough."""
        return isinstance(message, EventsWaiting)
