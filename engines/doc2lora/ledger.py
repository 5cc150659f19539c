"""What was learned, document by document: each one's LoRA, and how strongly it counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from engines.doc2lora.lora import Lora
from engines.doc2lora.settings import MOST_STRENGTH
from engines.protocol import Document, DocumentError, EngineError, LearnReport


@dataclass(frozen=True, slots=True)
class Origin:
    """The hypernetwork that made a LoRA: its name, and 16 hex digits that name its weights."""

    name: str
    identity: str
    simulated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One learned document.

    ``lora`` has the LoRAs of its ``chunks`` one under the other, rank r·K; ``bias`` is the
    bias LoRA of the hypernetwork that made it, the same object for all of its documents.
    A muted entry is kept and doesn't count; ``weight`` says how strongly the others do.
    """

    report: LearnReport
    lora: Lora
    bias: Lora | None
    chunks: int
    origin: Origin
    weight: float = 1.0
    muted: bool = False

    @property
    def bytes(self) -> int:
        """Size of the document's own LoRA."""
        return sum(t.numel() * t.element_size() for t in (self.lora.a, self.lora.b))


class Ledger:
    """Entries in the order of their learning, or as they were moved."""

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self.entries = tuple(entries)
        self._left_out: frozenset[str] = frozenset()

    @property
    def heard(self) -> tuple[Entry, ...]:
        """Those that count now, in order."""
        silent = self.muted | self._left_out
        return tuple(e for e in self.entries if e.report.id not in silent and e.weight != 0)

    @property
    def muted(self) -> frozenset[str]:
        """Ids of documents that are kept but don't count now."""
        return frozenset(entry.report.id for entry in self.entries if entry.muted)

    def __getitem__(self, document_id: str) -> Entry:
        return self.entries[self.position(document_id)]

    def position(self, document_id: str) -> int:
        """Where a document stands, from 0.

        Raises:
            EngineError: if no learned document has this id.
        """
        for position, entry in enumerate(self.entries):
            if entry.report.id == document_id:
                return position
        raise EngineError(f"No learned document has the id '{document_id}'.")

    def check_new(self, document: Document) -> None:
        """Raise ``DocumentError`` for one that is here already, is empty or isn't text."""
        if any(entry.report.id == document.id for entry in self.entries):
            raise DocumentError(
                f"'{document.title}' is learned already: forget it first to learn it anew.",
                document.path,
            )
        if not document.text.strip():
            raise DocumentError(
                f"'{document.title}' is empty: choose a document with text in it.", document.path
            )
        if any("\ud800" <= letter <= "\udfff" for letter in document.text):
            raise DocumentError(
                f"'{document.title}' holds half a character (a lone surrogate): make it with "
                "Document.from_text, which replaces these.",
                document.path,
            )

    def add(self, entry: Entry) -> None:
        """Put a document at the end."""
        self.entries = (*self.entries, entry)

    def remove(self, document_id: str) -> None:
        """Take a document out.  Raises ``EngineError`` for an unknown id."""
        position = self.position(document_id)
        self.entries = self.entries[:position] + self.entries[position + 1 :]

    def mute(self, document_id: str, muted: bool) -> None:
        """Say whether a document counts.  Raises ``EngineError`` for an unknown id."""
        self._change(dataclasses.replace(self[document_id], muted=muted))

    def weigh(self, document_id: str, weight: float) -> None:
        """Say how strongly a document counts: 1 as learned, 0 not at all.

        Raises:
            EngineError: for an unknown id, or a weight that is not from 0 to 4.
        """
        entry = self[document_id]
        if not 0.0 <= weight <= MOST_STRENGTH:
            raise EngineError(
                f"A document's weight is from 0 (not at all) to {MOST_STRENGTH:g}, not {weight}."
            )
        self._change(dataclasses.replace(entry, weight=float(weight)))

    def _change(self, changed: Entry) -> None:
        at = self.position(changed.report.id)
        self.entries = (*self.entries[:at], changed, *self.entries[at + 1 :])

    def move(self, document_id: str, position: int) -> None:
        """Put a document at ``position`` (from 0).

        Raises:
            EngineError: for an unknown id or a position that isn't there.
        """
        entries = list(self.entries)
        entry = entries.pop(self.position(document_id))
        if not 0 <= position <= len(entries):
            raise EngineError(
                f"There is no position {position} in a ledger of {len(self.entries)}: "
                f"choose one from 0 to {len(entries)}."
            )
        entries.insert(position, entry)
        self.entries = tuple(entries)

    @contextmanager
    def without(self, document_ids: Collection[str]) -> Iterator[None]:
        """Inside this block these documents don't count.

        Raises:
            EngineError: if one of them isn't in the ledger.
        """
        for document_id in document_ids:
            self.position(document_id)
        before = self._left_out
        self._left_out = before | frozenset(document_ids)
        try:
            yield
        finally:
            self._left_out = before
