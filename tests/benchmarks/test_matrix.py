"""Figures of a hand-made matrix, and ranks."""

from __future__ import annotations

import pytest
from matrix import average, backward_transfer, forgetting, forward_transfer, rank_correlation

# Three documents; the first recovers a little at the end, the second falls.
R = [
    [0.8, 0.1, 0.2],
    [0.4, 0.9, 0.2],
    [0.5, 0.6, 0.7],
]


def test_the_average_is_that_after_the_last_document() -> None:
    assert average(R) == pytest.approx(0.6)


def test_backward_transfer_compares_with_just_learned() -> None:
    assert backward_transfer(R) == pytest.approx(((0.5 - 0.8) + (0.6 - 0.9)) / 2)


def test_forgetting_compares_with_the_best_there_ever_was() -> None:
    assert forgetting(R) == pytest.approx((0.3 + 0.3) / 2)
    risen = [[0.2, 0.0], [0.5, 0.4]]
    assert forgetting(risen) == 0.0
    assert backward_transfer(risen) == pytest.approx(0.3)


def test_forward_transfer_compares_documents_yet_to_learn_with_their_start() -> None:
    assert forward_transfer(R, [0.0, 0.2, 0.1]) == pytest.approx(((0.1 - 0.2) + (0.2 - 0.1)) / 2)


def test_rank_correlation_knows_order_and_ties() -> None:
    assert rank_correlation([1, 2, 3, 4], [10, 20, 30, 99]) == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)
    assert rank_correlation([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(0.9486833)
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None
