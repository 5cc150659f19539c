"""What an engine that keeps knowledge beside the weights is, whatever it keeps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

from engines.jitrl.ledger import Ledger
from engines.protocol import EngineError, LearnReport


class BesideWeights:
    """The ledger and the strength of a JitRL engine; the network is never changed."""

    most_strength: ClassVar[float]

    _learning = False

    @property
    def _kept(self) -> Ledger:
        raise NotImplementedError

    @property
    def documents(self) -> Sequence[LearnReport]:
        """The ledger: what was learned, in order."""
        return self._kept.reports

    @property
    def strength(self) -> float:
        """How far logits may be moved, in nats (the paper's β); 0 is not at all.

        Raises:
            EngineError: on setting one that is below 0 or above ``strength_limit``.
        """
        return self._strength

    @strength.setter
    def strength(self, value: float) -> None:
        if not 0.0 <= value <= self.most_strength:
            most = f"{self.most_strength:g}"
            raise EngineError(f"The strength is from 0 to {most} nats, not {value}.")
        self._strength = float(value)

    @property
    def strength_limit(self) -> float:
        """The highest strength that may be set."""
        return self.most_strength

    def active(self) -> AbstractContextManager[None]:
        """An empty block: nothing in the network is changed."""
        return nullcontext()

    @property
    def muted(self) -> frozenset[str]:
        """Ids of documents that are kept but not looked up now."""
        return self._kept.muted

    def mute(self, document_id: str, muted: bool = True) -> None:
        """Leave a document out of what is looked up, or take it in again.

        Raises:
            EngineError: if no learned document has this id.
        """
        self._check_idle()
        self._kept.mute(document_id, muted)

    def move(self, document_id: str, position: int) -> None:
        """Put a document at ``position`` (from 0) of the ledger; answers don't depend on it.

        Raises:
            EngineError: for an unknown id or a position that isn't there.
        """
        self._check_idle()
        self._kept.move(document_id, position)

    def bytes_of(self, document_id: str) -> int:
        """Size of what is kept of a document, in bytes."""
        return self._kept[document_id].bytes

    def without(self, document_ids: Collection[str]) -> AbstractContextManager[None]:
        """Inside this block replies leave these documents out (a knock-out).

        Raises:
            EngineError: on entering, if one of them isn't in the ledger.
        """
        return self._kept.without(document_ids)

    @property
    def _silent(self) -> frozenset[str]:
        return self._kept.silent

    @property
    def _anything_counts(self) -> bool:
        return len(self._silent) < len(self._kept.entries)

    def _check_idle(self) -> None:
        if self._learning:
            raise EngineError(
                "This engine is learning already: finish or close that learn() first."
            )
