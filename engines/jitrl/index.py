"""Which passages have words in common with a question, over all learned documents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from sklearn.feature_extraction.text import HashingVectorizer

from engines.jitrl.ranking import (
    BM25,
    RELEVANT_FROM,
    RELEVANT_FROM_BY_WORDS,
    TFIDF,
    Counts,
    Scorer,
)
from engines.jitrl.settings import PassageSettings
from engines.jitrl.terms import ngrams, words
from engines.protocol import EngineError

_COLUMNS = 1 << 20  # of the hashed terms: two of a store's terms rarely share one

# What the words count in a score that character n-grams share, chosen on SQuAD.
_WORDS_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found; ``number`` counts its document's passages from 0."""

    document_id: str
    number: int
    score: float


@dataclass(frozen=True, slots=True)
class CountedPassages:
    """The terms of some passages of a document: counts [passages, hashed columns]."""

    words: csr_array
    ngrams: csr_array | None


class PassageIndex:
    """Passages of documents, ranked by what they share with a query.

    ``add`` costs what the document itself is long and ``remove`` next to nothing: terms are
    counted under hashed columns, so that no text of another document is read again and no
    count of it changes.  How rare a term is depends on the whole store, so the first search
    after any number of changes weighs all counts anew: that grows with the distinct terms of
    all passages, in a few vectorised steps.  Further searches read the query's terms alone.

    A ``bm25`` or ``hybrid`` score is the share (0..1) of the query's information, by idf,
    that the passage holds: ``bm25`` by words, ``hybrid`` by words and character n-grams
    (by BM25 words and TF-IDF words where ``char_ngrams`` is off).  A ``tfidf`` score is a
    cosine (0..1) of words, or of words and n-grams.
    """

    def __init__(self, settings: PassageSettings) -> None:
        self._settings = settings
        self._word_counts: dict[str, csr_array] = {}
        self._ngram_counts: dict[str, csr_array] = {}
        self._weighted: _Weighted | None = None

    def __len__(self) -> int:
        """How many passages there are."""
        return sum(counts.shape[0] for counts in self._word_counts.values())

    def __contains__(self, document_id: object) -> bool:
        return document_id in self._word_counts

    def add(self, document_id: str, texts: Sequence[str]) -> None:
        """Take the passages of a document in, in place of those it had."""
        self.add_counted(document_id, [self.counted(texts)])

    def counted(self, texts: Sequence[str]) -> CountedPassages:
        """The terms of passages that are to be added; nothing is added."""
        by_ngrams = _counts(ngrams, texts) if self._counts_ngrams else None
        return CountedPassages(_counts(words, texts), by_ngrams)

    def add_counted(self, document_id: str, parts: Sequence[CountedPassages]) -> None:
        """``add`` for passages that were counted a few at a time, in their order."""
        parts = parts or [self.counted([])]
        by_words = _joined([part.words for part in parts])
        by_ngrams = [part.ngrams for part in parts if part.ngrams is not None]
        if by_ngrams:
            self._ngram_counts[document_id] = _joined(by_ngrams)
        self._word_counts[document_id] = by_words
        self._weighted = None

    def remove(self, document_id: str) -> None:
        """Take a document out.

        Raises:
            EngineError: if it is not in the index.
        """
        if document_id not in self._word_counts:
            raise EngineError(
                f"No document '{document_id}' is in the index: list the documents and name one."
            )
        del self._word_counts[document_id]
        self._ngram_counts.pop(document_id, None)
        self._weighted = None

    def search(self, query: str, top_k: int, *, leaving_out: Collection[str] = ()) -> list[Hit]:
        """The best ``top_k`` passages, best first; those that share nothing are left out.

        Passages of equal score come in the order of document id and number.  Documents of
        ``leaving_out`` are not returned, though their terms count in how rare a term is.
        """
        if top_k < 1 or not len(self):
            return []
        weighted = self._weighted = self._weighted or self._weigh()
        scores = np.zeros(len(self))
        for share, scorer, analyse in weighted.scorers:
            scores += share * scorer.scores(_counts(analyse, [query]))
        return weighted.best(scores, top_k, self._least, leaving_out)

    @property
    def _least(self) -> float:
        if self._settings.min_score is not None:
            return self._settings.min_score
        known = RELEVANT_FROM if self._settings.char_ngrams else RELEVANT_FROM_BY_WORDS
        return known[self._settings.ranking]

    @property
    def _counts_ngrams(self) -> bool:
        return self._settings.char_ngrams and self._settings.ranking != "bm25"

    def _weigh(self) -> _Weighted:
        order = sorted(self._word_counts)
        rows = [self._word_counts[document_id].shape[0] for document_id in order]
        by_words = Counts(_stacked(self._word_counts, order))
        owners = np.repeat(np.arange(len(order)), rows)
        numbers = np.concatenate([np.arange(count) for count in rows])
        return _Weighted(order, owners, numbers, self._scorers(by_words, order))

    def _scorers(self, by_words: Counts, order: list[str]) -> list[_Part]:
        ranking = self._settings.ranking
        kind: Callable[[Counts], Scorer] = TFIDF if ranking == "tfidf" else BM25
        if self._counts_ngrams:
            by_ngrams = Counts(_stacked(self._ngram_counts, order))
            rest = 1 - _WORDS_SHARE
            return [(_WORDS_SHARE, kind(by_words), words), (rest, kind(by_ngrams), ngrams)]
        if ranking == "hybrid":
            return [(0.5, BM25(by_words), words), (0.5, TFIDF(by_words), words)]
        return [(1.0, kind(by_words), words)]


_Analyse = Callable[[str], list[str]]
_Part = tuple[float, Scorer, _Analyse]


@dataclass(frozen=True, slots=True)
class _Weighted:
    """The weights of a store, and the document (by place in ``order``) of each passage."""

    order: list[str]
    owners: NDArray[np.int64]
    numbers: NDArray[np.int64]
    scorers: list[_Part]

    def best(
        self,
        scores: NDArray[np.float64],
        top_k: int,
        least: float,
        leaving_out: Collection[str],
    ) -> list[Hit]:
        left_out = [place for place, name in enumerate(self.order) if name in leaving_out]
        usable = (scores > 0) & (scores >= least) & ~np.isin(self.owners, left_out)
        found = np.flatnonzero(usable)
        # Passages lie in the order of their ids: a stable sort keeps it where scores are equal.
        found = found[np.argsort(-scores[found], kind="stable")][:top_k]
        return [
            Hit(self.order[self.owners[i]], int(self.numbers[i]), float(scores[i])) for i in found
        ]


def _counts(analyse: _Analyse, texts: Sequence[str]) -> csr_array:
    """How often each term is in each text: float32 [texts, hashed columns]."""
    if not texts:
        return csr_array((0, _COLUMNS), dtype=np.float32)
    vectorizer = HashingVectorizer(
        analyzer=analyse,
        n_features=_COLUMNS,
        norm=None,
        alternate_sign=False,
        dtype=np.float32,
    )
    return csr_array(vectorizer.transform(texts))


def _stacked(counts: dict[str, csr_array], order: Sequence[str]) -> csr_array:
    return _joined([counts[document_id] for document_id in order])


def _joined(counts: Sequence[csr_array]) -> csr_array:
    return counts[0] if len(counts) == 1 else vstack(counts, format="csr")
