"""What a patch is held to."""

from __future__ import annotations

from dataclasses import dataclass

from engines.ace.budget import Budget
from engines.ace.duplicates import DEFAULT_SIMILARITY
from engines.ace.playbook import MAX_BULLETS

DEFAULT_BULLET_CHARACTERS = 600


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one playbook and of one patch.

    ``budget`` bounds the whole playbook, ``characters`` each text and ``bullets`` their number.
    From ``similarity`` (0..1) on, a new text is a duplicate within its section.  One patch may
    take away at most the share ``removed`` of the bullets and rewrite the share ``rewritten``.
    ``golds`` are answers that no text may give away, but where they stand in ``question``.
    """

    budget: Budget | None = None
    characters: int = DEFAULT_BULLET_CHARACTERS
    bullets: int = MAX_BULLETS
    similarity: float = DEFAULT_SIMILARITY
    removed: float = 0.25
    rewritten: float = 0.5
    golds: tuple[str, ...] = ()
    question: str = ""
