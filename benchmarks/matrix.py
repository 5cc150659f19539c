"""Figures of a sequence of documents, from the matrix R of scores, and a rank correlation.

``R[t][i]`` is the score on document ``i`` after document ``t`` was learned, both from 0 in
the order of learning; higher is better, so an NLL goes in with its sign turned.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

Matrix = Sequence[Sequence[float]]


def average(r: Matrix) -> float:
    """ACC: the mean score over all documents after the last."""
    return fmean(r[-1])


def backward_transfer(r: Matrix) -> float:
    """BWT: mean over all but the last document of R[T,i] − R[i,i] (Lopez-Paz and Ranzato 2017)."""
    return fmean(r[-1][i] - r[i][i] for i in range(len(r) - 1))


def forgetting(r: Matrix) -> float:
    """Mean over all but the last document of max_t R[t,i] − R[T,i] (Chaudhry et al. 2018).

    The maximum is over the states after each document, the last one included, so it is
    never below zero.
    """
    return fmean(max(row[i] for row in r) - r[-1][i] for i in range(len(r) - 1))


def forward_transfer(r: Matrix, baseline: Sequence[float]) -> float:
    """FWT: mean over all but the first document of R[i−1,i] − ``baseline[i]``, before any."""
    return fmean(r[i - 1][i] - baseline[i] for i in range(1, len(r)))


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's ρ, ties at their mean rank; None where one of the two never varies."""
    x, y = _ranks(first), _ranks(second)
    mean_x, mean_y = fmean(x), fmean(y)
    spread = sum((a - mean_x) ** 2 for a in x) * sum((b - mean_y) ** 2 for b in y)
    if not spread:
        return None
    shared = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return float(shared / spread**0.5)


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    first = {value: rank for rank, value in reversed(list(enumerate(ordered)))}
    return [first[value] + (ordered.count(value) - 1) / 2 for value in values]
