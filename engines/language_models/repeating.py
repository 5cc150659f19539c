"""Telling when a model writes the same words over and over, as small greedy ones do."""

from __future__ import annotations

from collections.abc import Sequence

_TIMES = 3
_LONGEST = 32
_FEWEST = 24


def repeats(tokens: Sequence[int]) -> bool:
    """Whether ``tokens`` end in one stretch of at most 32, written three times or more.

    At least 24 tokens have to be such repetition, so that no list of numbers counts as one.
    """
    return any(_ends_in(tokens, period) for period in range(1, _LONGEST + 1))


def _ends_in(tokens: Sequence[int], period: int) -> bool:
    length = max(_TIMES * period, _FEWEST)
    if len(tokens) < length:
        return False
    tail = tokens[-length:]
    return tail[period:] == tail[:-period]
