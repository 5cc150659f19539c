"""What some engines can do besides the protocol; ask with ``isinstance``.

A command or a key that needs one of these is offered only where the engine has it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from engines.protocol import Document, Overlap, Progress, StudyPlan


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
