"""What some engines can do besides the protocol; ask with ``isinstance``.

A command or a key that needs one of these is offered only where the engine has it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from engines.protocol import Document, Overlap, Progress, Retrieval, StudyPlan

if TYPE_CHECKING:
    from engines.ace.operations import Operation
    from engines.ace.review import Pending
    from engines.ace.revisions import History, Place
    from engines.ace.trace import Trace


@runtime_checkable
class HasAlpha(Protocol):
    """The learned part can be blended with the original: 1 is the base, 0 all learned."""

    alpha: float


@runtime_checkable
class HasLedger(Protocol):
    """Each document's change is kept apart, and can be left out without being lost."""

    @property
    def muted(self) -> frozenset[str]:
        """Ids of documents that are kept but don't count now."""

    def mute(self, document_id: str, muted: bool = True) -> None:
        """Leave a document out of the model, or take it in again."""

    def move(self, document_id: str, position: int) -> None:
        """Put a document at ``position`` (from 0) of the ledger."""

    def bytes_of(self, document_id: str) -> int:
        """Size of what is kept of a document, in bytes."""

    def without(self, document_ids: Collection[str]) -> AbstractContextManager[None]:
        """Inside this block replies leave these documents out (a knock-out)."""


@dataclass(frozen=True, slots=True)
class Recall:
    """How well a text is predicted: by the base model, and as learned (mean nats per token)."""

    tokens: int
    base_loss: float
    loss: float


@runtime_checkable
class MeasuresRecall(Protocol):
    """Can tell how much of a text is in the model, whether or not it was learned."""

    def recall(self, document: Document) -> Iterator[Progress | Recall]:
        """Score ``document``; the last event is a ``Recall``."""


@runtime_checkable
class Studies(Protocol):
    """Prepares questions or sentences to study a document by."""

    def study(self, document: Document) -> Iterator[Progress | StudyPlan]:
        """Prepare the items and learn nothing; the last event is a ``StudyPlan``."""


@runtime_checkable
class ForeseesInterference(Protocol):
    """Can tell before learning which earlier documents it will disturb."""

    def overlaps(self, document: Document) -> Iterator[Progress | tuple[Overlap, ...]]:
        """One ``Overlap`` for each learned document; the last event is the tuple."""


@runtime_checkable
class HasStrength(Protocol):
    """How strongly what was learned counts, beside the weights or added to them: 0 is off."""

    strength: float

    @property
    def strength_limit(self) -> float:
        """The highest strength that may be set."""


@runtime_checkable
class ScalesLoras(Protocol):
    """What is learned are LoRAs: ``strength`` of ``HasStrength`` multiplies the documents' own.

    ``bias_strength``, with the same limit, multiplies what is added for every document alike.
    """

    bias_strength: float

    @property
    def simulated(self) -> bool:
        """Whether its LoRAs are random, so that nothing is learned."""


@runtime_checkable
class Retrieves(Protocol):
    """Finds passages of what was learned."""

    def retrieve(self, query: str) -> Retrieval:
        """The passages that an answer to ``query`` would rest on; nothing is answered.

        Raises:
            EngineError: if ``query`` holds nothing to look for.
        """


Rating = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Feedback:
    """A person's verdict on one answer, and what it changed.

    ``tokens`` counts the answer's tokens that rested on stored ones, ``entries`` the
    stored tokens whose return was changed; both are 0 for an answer that used none.
    """

    number: int
    rating: Rating
    question: str
    answer: str
    tokens: int
    entries: int
    rated_at: str


@runtime_checkable
class TakesFeedback(Protocol):
    """Learns from a person's thumbs up or down on its last answer."""

    @property
    def feedback(self) -> tuple[Feedback, ...]:
        """All verdicts in force, in their order."""

    def rate(self, rating: Rating) -> Feedback:
        """Reward or punish what the last answer used.

        Raises:
            EngineError: if there is no answer yet, or it was rated, or it used nothing
                that is stored.
        """

    def undo_rating(self) -> Feedback:
        """Take the last verdict back: returns are then as if it had never been given.

        Raises:
            EngineError: if there is none.
        """


@runtime_checkable
class KeepsPlaybook(Protocol):
    """Learns rules in words, every change a revision that a person can look at and take back."""

    history: History

    @property
    def pending(self) -> tuple[Pending, ...]:
        """The operations that wait for a person."""

    @property
    def traces(self) -> tuple[Trace, ...]:
        """What the roles said in the latest learns, oldest first."""

    def decide(
        self, accept: Mapping[Place, Operation | None], reject: Collection[Place] = ()
    ) -> Any:
        """Say what becomes of operations that wait, also while a learn goes on."""
