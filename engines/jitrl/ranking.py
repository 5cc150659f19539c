"""Weights of counted terms, and the scores that a query has with them."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import bm25s
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array
from sklearn.feature_extraction.text import TfidfTransformer

from engines.jitrl.settings import Ranking

# The score from which a passage counts as relevant, with character n-grams and by words alone:
# about 1 % of the questions on a stored SQuAD paragraph find nothing, or fewer, whether one
# paragraph or all 646 are stored (``jitrl_retrieval.py``).
RELEVANT_FROM: dict[Ranking, float] = {"tfidf": 0.089, "bm25": 0.014, "hybrid": 0.025}
RELEVANT_FROM_BY_WORDS: dict[Ranking, float] = {"tfidf": 0.07, "bm25": 0.014, "hybrid": 0.05}

_K1 = 1.2  # how soon a repeated term stops counting
_B = 0.75  # how much a long passage is held against it


class Counts:
    """How often each term is in each passage, with the columns that are in use alone."""

    def __init__(self, hashed: csr_array) -> None:
        """Take counts in hashed columns: float32 [passages, columns]."""
        self.columns: NDArray[np.int64] = np.unique(hashed.indices)
        places = np.searchsorted(self.columns, hashed.indices)
        shape = (hashed.shape[0], max(1, len(self.columns)))
        self.matrix = csr_array((hashed.data, places, hashed.indptr), shape=shape)

    @cached_property
    def passages_with(self) -> NDArray[np.int64]:
        """How many passages hold each term."""
        return np.bincount(self.matrix.indices, minlength=self.matrix.shape[1])

    def known(self, query: csr_array) -> tuple[NDArray[np.int64], NDArray[np.float32], int]:
        """Places and counts of the query's terms that are here; how many are not."""
        if not len(self.columns):
            return np.empty(0, np.int64), np.empty(0, np.float32), len(query.indices)
        places = np.searchsorted(self.columns, query.indices)
        places = np.minimum(places, len(self.columns) - 1)
        here = self.columns[places] == query.indices
        return places[here], query.data[here], int(np.count_nonzero(~here))


class Scorer(Protocol):
    """Scores all passages for one query."""

    def scores(self, query: csr_array) -> NDArray[np.float64]:
        """A score 0..1 for each passage; ``query`` is [1, hashed columns] of counts."""


class TFIDF:
    """Cosine of sublinear term frequencies weighted by idf."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._transformer = TfidfTransformer(sublinear_tf=True).fit(counts.matrix)
        self._weights = csc_array(self._transformer.transform(counts.matrix))

    def scores(self, query: csr_array) -> NDArray[np.float64]:
        """Cosine 0..1 of each passage; terms that no passage holds don't count."""
        places, counts, _ = self._counts.known(query)
        row = np.zeros_like(places)
        shape = (1, self._counts.matrix.shape[1])
        weights = csr_array(self._transformer.transform(csr_array((counts, (row, places)), shape)))
        # Only the columns of the query are read, however large the store is.
        scores = self._weights[:, weights.indices] @ weights.data
        return np.asarray(scores, dtype=np.float64)


class BM25:
    """BM25 (Lucene's variant) as a share of what a perfect passage would reach.

    The scores are bm25s's own; its matrix is filled from counts that are there already,
    since its builder reads the whole store word by word.
    """

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        matrix = counts.matrix
        passages = matrix.shape[0]
        held_by = counts.passages_with
        self._idf = np.log1p((passages - held_by + 0.5) / (held_by + 0.5))
        self._unknown_idf = float(np.log1p((passages + 0.5) / 0.5))
        lengths = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
        mean_length = max(1.0, float(lengths.mean()))
        norm = np.repeat(_K1 * (1 - _B + _B * lengths / mean_length), np.diff(matrix.indptr))
        weights = self._idf[matrix.indices] * matrix.data / (matrix.data + norm)
        columns = csc_array(csr_array((weights, matrix.indices, matrix.indptr), matrix.shape))
        self._retriever = bm25s.BM25(k1=_K1, b=_B, method="lucene", dtype="float64")
        self._retriever.nonoccurrence_array = None
        self._retriever.scores = {
            "data": columns.data,
            "indices": columns.indices,
            "indptr": columns.indptr,
            "num_docs": passages,
        }

    def scores(self, query: csr_array) -> NDArray[np.float64]:
        """Share 0..1 of the query's idf that each passage holds, unknown terms included."""
        places, _, unknown = self._counts.known(query)
        most = float(self._idf[places].sum()) + unknown * self._unknown_idf
        if not len(places):
            return np.zeros(self._counts.matrix.shape[0])
        scores = self._retriever.get_scores_from_ids(places.tolist())
        return np.asarray(scores / most, dtype=np.float64)
