"""A playbook within so many tokens, and which bullet goes when it has more."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from engines.ace.bullet import Bullet
from engines.ace.playbook import Playbook
from engines.ace.prompt_form import bullet_line, prompt_form

HALF_LIFE = 20  # revisions
_DOUBT = 0.5


@dataclass(frozen=True, slots=True)
class Budget:
    """At most ``tokens`` tokens of prompt, as ``count`` counts them in a text."""

    tokens: int
    count: Callable[[str], int]

    def used(self, playbook: Playbook) -> int:
        """Tokens that ``playbook`` takes of a prompt; an empty one takes none."""
        return self.count(prompt_form(playbook)) if playbook.bullets else 0

    def fits(self, bullet: Bullet) -> bool:
        """Whether ``bullet`` alone, with its section's heading, is within the budget."""
        return self.used(Playbook((bullet,))) <= self.tokens


def usefulness(bullet: Bullet, revision: int) -> float:
    """How much speaks for keeping ``bullet`` at ``revision``, about -1 to 1.5.

    The surplus of helpful votes, drawn to 0 while votes are few, and a benefit of the doubt that
    shrinks with the votes and halves with each ``HALF_LIFE`` revisions without a change:
    (helpful - harmful) / (n + 2) + 0.5 / sqrt(n + 1) * 2^(-age / 20).
    """
    votes = bullet.helpful + bullet.harmful
    age = max(0, revision - bullet.updated)
    doubt = _DOUBT / math.sqrt(votes + 1) * math.pow(0.5, age / HALF_LIFE)
    return (bullet.helpful - bullet.harmful) / (votes + 2) + doubt


def evictions(playbook: Playbook, budget: Budget, revision: int) -> Iterator[tuple[Bullet, float]]:
    """The bullets to take out until the rest fits, with their usefulness, the worst first.

    What was made in this very ``revision`` goes only when nothing else is left, so that a new
    bullet gets its chance in a full playbook.  Of two as useful, the longer one goes.
    """
    left = playbook
    while left.bullets and (excess := budget.used(left) - budget.tokens) > 0:
        ranked = sorted(left.bullets, key=lambda bullet: _rank(bullet, revision))
        gone: list[str] = []
        for bullet in ranked:
            gone.append(bullet.id)
            yield bullet, usefulness(bullet, revision)
            # Lines count a little differently alone than together: counted anew above.
            excess -= budget.count(bullet_line(bullet))
            if excess <= 0:
                break
        left = left.without(gone)


def _rank(bullet: Bullet, revision: int) -> tuple[bool, float, int, int]:
    new = bullet.created == revision
    return new, usefulness(bullet, revision), -len(bullet.text), -bullet.number
