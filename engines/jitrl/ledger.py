"""The list of what was learned, with what is muted; both JitRL engines keep one."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from engines.jitrl.question import has_words
from engines.protocol import Document, DocumentError, EngineError, LearnReport

REPLACES = "Takes the place of an earlier version of this file."
REPLACES_MUTED = "Takes the place of an earlier version of this file, and is muted as that was."


@dataclass(frozen=True, slots=True)
class Entry:
    """One learned document: its report, the bytes that are kept of it, whether it counts."""

    report: LearnReport
    bytes: int
    muted: bool = False


class Ledger:
    """Entries in the order of their learning, or as they were moved."""

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self.entries = tuple(entries)
        self._left_out: frozenset[str] = frozenset()

    @property
    def reports(self) -> tuple[LearnReport, ...]:
        """What was learned, in order."""
        return tuple(entry.report for entry in self.entries)

    @property
    def muted(self) -> frozenset[str]:
        """Ids of documents that are kept but don't count now."""
        return frozenset(entry.report.id for entry in self.entries if entry.muted)

    @property
    def silent(self) -> frozenset[str]:
        """Ids that are muted, or left out by ``without``."""
        return self.muted | self._left_out

    def __contains__(self, document_id: object) -> bool:
        return any(entry.report.id == document_id for entry in self.entries)

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
        """Raise ``DocumentError`` for one that is here already, has no word or isn't text."""
        if document.id in self:
            raise DocumentError(
                f"'{document.title}' is learned already: forget it first to learn it anew.",
                document.path,
            )
        if any("\ud800" <= letter <= "\udfff" for letter in document.text):
            raise DocumentError(
                f"'{document.title}' holds half a character (a lone surrogate): make it with "
                "Document.from_text, which replaces these.",
                document.path,
            )
        if not has_words(document.text):
            raise DocumentError(
                f"'{document.title}' has no words to find it by: give it a sentence or two.",
                document.path,
            )

    def add(self, entry: Entry) -> None:
        """Put a document at the end."""
        self.entries = (*self.entries, entry)

    def report_on(
        self,
        document: Document,
        tokens: int,
        chunks: int,
        seconds: float,
        loss: float | None = None,
    ) -> LearnReport:
        """The report of a document that is to be ``put``; a note tells whose place it takes.

        ``loss`` is the mean base nats per token, where they were measured.
        """
        earlier = self._earlier(document.path)
        note = REPLACES_MUTED if _all_muted(earlier) else REPLACES
        return LearnReport(
            id=document.id,
            title=document.title,
            path=document.path,
            tokens=tokens,
            tokens_read=tokens,
            loss_before=loss,
            loss_after=None,
            held_out_loss_before=None,
            held_out_loss_after=None,
            seconds=seconds,
            tokens_per_second=tokens / seconds if seconds else 0.0,
            gate_open_share=None,
            alpha=None,
            learned_at=datetime.now(UTC).isoformat(timespec="seconds"),
            notes=(*document.notes, note) if earlier else document.notes,
            chunks=chunks,
        )

    def put(self, entry: Entry) -> tuple[str, ...]:
        """Put a document where the earlier version of its file stands, muted as that is.

        Returns the ids that are out of the ledger for it, so that what is kept of them can
        go too: several where versions were learned before they took each other's place.
        Where there is none, and always without a path, the document comes to the end.
        """
        earlier = self._earlier(entry.report.path)
        if not earlier:
            self.add(entry)
            return ()
        entries = list(self.entries)
        muted = entry.muted or _all_muted(earlier)
        entries[entries.index(earlier[0])] = dataclasses.replace(entry, muted=muted)
        self.entries = tuple(one for one in entries if one not in earlier)
        return tuple(one.report.id for one in earlier)

    def report_anew(self, report: LearnReport) -> None:
        """Put ``report`` in the place of the one that its document has."""
        entries = list(self.entries)
        position = self.position(report.id)
        entries[position] = dataclasses.replace(entries[position], report=report)
        self.entries = tuple(entries)

    def _earlier(self, path: str | None) -> list[Entry]:
        return [one for one in self.entries if path is not None and one.report.path == path]

    def remove(self, document_id: str) -> None:
        """Take a document out.  Raises ``EngineError`` for an unknown id."""
        position = self.position(document_id)
        self.entries = self.entries[:position] + self.entries[position + 1 :]

    def mute(self, document_id: str, muted: bool) -> None:
        """Say whether a document counts.  Raises ``EngineError`` for an unknown id."""
        entries = list(self.entries)
        position = self.position(document_id)
        entries[position] = dataclasses.replace(entries[position], muted=muted)
        self.entries = tuple(entries)

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
        """Inside this block these documents are silent.

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


def _all_muted(entries: Sequence[Entry]) -> bool:
    return all(entry.muted for entry in entries)
