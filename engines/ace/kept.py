"""What an ACE engine keeps besides its playbook: documents that can be muted and moved."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext

from engines.ace.shelf import Shelf
from engines.jitrl.ledger import Ledger
from engines.jitrl.question import has_words
from engines.protocol import EngineError, LearnReport, Retrieval

NOTHING_LEARNED = "No document counts now: the answer rests on the playbook alone."
NOTHING_FOUND = "No passage fits the question: the answer rests on the playbook alone."
NOTHING_ASKED = "The question has no word to look for."


class KeepsDocuments:
    """The ledger of an ACE engine, and the passages of its documents."""

    _learning = False

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._ledger = Ledger()

    @property
    def documents(self) -> Sequence[LearnReport]:
        """The ledger: what was learned, in order."""
        return self._ledger.reports

    def active(self) -> AbstractContextManager[None]:
        """An empty block: nothing in a network is changed."""
        return nullcontext()

    @property
    def muted(self) -> frozenset[str]:
        """Ids of documents that are kept, but whose passages and own bullets don't count now."""
        return self._ledger.muted

    def mute(self, document_id: str, muted: bool = True) -> None:
        """Leave a document out of replies, or take it in again.

        Raises:
            EngineError: if no learned document has this id.
        """
        self._check_idle()
        self._ledger.mute(document_id, muted)

    def move(self, document_id: str, position: int) -> None:
        """Put a document at ``position`` (from 0) of the ledger; answers don't depend on it.

        Raises:
            EngineError: for an unknown id or a position that isn't there.
        """
        self._check_idle()
        self._ledger.move(document_id, position)

    def bytes_of(self, document_id: str) -> int:
        """Size of what is kept of a document, in bytes."""
        return self._ledger[document_id].bytes

    def without(self, document_ids: Collection[str]) -> AbstractContextManager[None]:
        """Inside this block replies leave these documents out (a knock-out).

        Raises:
            EngineError: on entering, if one of them isn't in the ledger.
        """
        return self._ledger.without(document_ids)

    def retrieve(self, query: str) -> Retrieval:
        """The passages that an answer to ``query`` would rest on; nothing is answered.

        Raises:
            EngineError: if ``query`` has no word.
        """
        if not has_words(query):
            raise EngineError("There is no word to look for: ask for something in words.")
        return self._found(query)

    def _found(self, query: str) -> Retrieval:
        if not has_words(query):
            return Retrieval(query, note=NOTHING_ASKED)
        silent = self._ledger.silent
        if len(silent) == len(self._ledger.entries):
            return Retrieval(query, note=NOTHING_LEARNED)
        passages = tuple(self._shelf.search(query, silent))
        return Retrieval(query, passages, note=None if passages else NOTHING_FOUND)

    def _check_idle(self) -> None:
        if self._learning:
            raise EngineError(
                "This engine is learning already: finish or close that learn() first."
            )
