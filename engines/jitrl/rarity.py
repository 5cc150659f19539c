"""How rare a word is among the chunks of what was learned."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from engines.words import informative


class WordRarity:
    """Counts in how many chunks each word is, document by document."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, Counter[str]]] = {}
        self._chunks = 0
        self._having: Counter[str] = Counter()

    def __contains__(self, document_id: object) -> bool:
        return document_id in self._counts

    def add(self, document_id: str, texts: Iterable[str]) -> None:
        """Count the words of a document's chunks, in place of what was counted of it."""
        self.remove(document_id)
        chunks = 0
        words: Counter[str] = Counter()
        for text in texts:
            chunks += 1
            words.update(informative(text))
        self._counts[document_id] = chunks, words
        self._chunks += chunks
        self._having.update(words)

    def remove(self, document_id: str) -> None:
        """Forget what was counted of a document, if anything was."""
        chunks, words = self._counts.pop(document_id, (0, Counter[str]()))
        self._chunks -= chunks
        self._having.subtract(words)

    def of(self, word: str) -> float:
        """The idf of a lower-case word as a share (0..1) of that of a word in a single chunk.

        A word in no chunk counts as one in a single chunk.
        """
        if not self._chunks:
            return 1.0
        having = max(1, self._having[word])
        return math.log((1 + self._chunks) / having) / math.log(1 + self._chunks)
