"""The documents' LoRAs together: which of them count, how strongly, and in what order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from engines.doc2lora.applied import targets_of
from engines.doc2lora.ledger import Entry, Ledger
from engines.doc2lora.mounting import Mount, Mounted, mounts_of
from engines.doc2lora.settings import MOST_STRENGTH, Doc2LoraSettings
from engines.protocol import EngineError


class ComposedLoras:
    """The ledger of an engine whose documents are LoRAs of ``model``, and its two dials."""

    def __init__(self, model: Any, settings: Doc2LoraSettings) -> None:
        self._model = model
        self._ledger = Ledger()
        self._mounted = Mounted(model)
        self._mounts: tuple[Mount, ...] | None = None
        self._strength = settings.context_strength
        self._bias_strength = settings.bias_strength
        self._learning = False

    @property
    def strength(self) -> float:
        """What multiplies the documents' LoRAs: 1 as generated, 0 leaves the bias LoRA alone.

        Raises:
            EngineError: on setting one that is not from 0 to ``strength_limit``.
        """
        return self._strength

    @strength.setter
    def strength(self, value: float) -> None:
        self._strength = _dial("context strength", value)
        self._mounts = None

    @property
    def strength_limit(self) -> float:
        """The highest strength that may be set."""
        return MOST_STRENGTH

    @property
    def bias_strength(self) -> float:
        """What multiplies the bias LoRA, which is added while any document counts.

        Raises:
            EngineError: on setting one that is not from 0 to ``strength_limit``.
        """
        return self._bias_strength

    @bias_strength.setter
    def bias_strength(self, value: float) -> None:
        self._bias_strength = _dial("bias strength", value)
        self._mounts = None

    def active(self) -> AbstractContextManager[None]:
        """Inside this block the model answers as learned; outside it is the base, to the bit."""
        if self._mounts is None:
            self._mounts = self._mounts_with()
        self._mounted.use(self._mounts)
        return self._mounted.active()

    def _mounts_with(self, *more: Entry) -> tuple[Mount, ...]:
        return mounts_of(
            (*self._ledger.heard, *more),
            context_strength=self._strength,
            bias_strength=self._bias_strength,
        )

    @property
    def muted(self) -> frozenset[str]:
        """Ids of documents that are kept but don't count now."""
        return self._ledger.muted

    def mute(self, document_id: str, muted: bool = True) -> None:
        """Leave a document out of the model, or take it in again.

        Raises:
            EngineError: if no learned document has this id.
        """
        self._check_idle()
        self._ledger.mute(document_id, muted)
        self._mounts = None

    @property
    def weights(self) -> Mapping[str, float]:
        """How strongly each document counts, by id: 1 as learned."""
        return {entry.report.id: entry.weight for entry in self._ledger.entries}

    def weigh(self, document_id: str, weight: float) -> None:
        """Let a document count ``weight`` times as much as it was learned.

        Raises:
            EngineError: for an unknown id, or a weight that is not from 0 to 4.
        """
        self._check_idle()
        self._ledger.weigh(document_id, weight)
        self._mounts = None

    def move(self, document_id: str, position: int) -> None:
        """Put a document at ``position`` (from 0); what is added up changes in its last bits.

        Raises:
            EngineError: for an unknown id or a position that isn't there.
        """
        self._check_idle()
        self._ledger.move(document_id, position)
        self._mounts = None

    def bytes_of(self, document_id: str) -> int:
        """Size of what is kept of a document, in bytes."""
        return self._ledger[document_id].bytes

    @contextmanager
    def without(self, document_ids: Collection[str]) -> Iterator[None]:
        """Inside this block replies leave these documents out (a knock-out).

        Raises:
            EngineError: if one of them isn't in the ledger.
        """
        with self._ledger.without(document_ids):
            self._mounts = None
            try:
                yield
            finally:
                self._mounts = None

    def forget(self, document_id: str) -> None:
        """Take one document back: what is left is as if it had never been learned.

        Raises:
            EngineError: if no learned document has this id.
        """
        self._check_idle()
        self._ledger.remove(document_id)
        self._change(self._ledger)

    def reset(self) -> None:
        """Forget every document."""
        self._check_idle()
        self._change(Ledger())

    def _change(self, ledger: Ledger) -> None:
        self._ledger, self._mounts = ledger, None
        self._mounted.keep(ledger.entries)

    def _check_idle(self) -> None:
        if self._learning:
            raise EngineError(
                "This engine is learning already: finish or close that learn() first."
            )

    def _check_free(self) -> None:
        self._check_idle()
        targets_of(self._model)


def _dial(what: str, value: float) -> float:
    if not 0.0 <= value <= MOST_STRENGTH:
        raise EngineError(f"The {what} is from 0 to {MOST_STRENGTH:g}, not {value}.")
    return float(value)
