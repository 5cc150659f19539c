"""How far the preparation of a study has come, and an even choice from a long list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StudyStep:
    """One step of preparing a study: ``done`` of ``total`` items of the stage are dealt with.

    A step comes for every token that the model writes, so that a preparation can be
    cancelled between two tokens; ``done`` stands still meanwhile.
    """

    done: int
    total: int
    stage: str


def evenly(items: Sequence[T], count: int) -> list[T]:
    """``count`` of ``items`` in their order, equally far apart; all if there are no more."""
    size = len(items)
    if count >= size:
        return list(items)
    return [items[(2 * i + 1) * size // (2 * count)] for i in range(count)]
