"""What a learn adds up, and where in it the next event happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engines.ace.events import Purpose
from engines.ace.outcome import Outcome
from engines.ace.roles import RoleTurn


@dataclass(frozen=True, slots=True)
class Counts:
    """What a learn came to: role turns, tokens read and written, what was skipped."""

    turns: int = 0
    tokens: int = 0
    skipped: int = 0
    unknown_ids: int = 0
    accepted: int = 0
    refused: int = 0
    held: int = 0

    def with_turn(self, turn: RoleTurn) -> Counts:
        """These and one role's turn."""
        return replace(
            self,
            turns=self.turns + 1,
            tokens=self.tokens + turn.tokens,
            skipped=self.skipped + (turn.parsed is None),
            unknown_ids=self.unknown_ids + len(turn.unknown_ids),
        )

    def with_outcomes(self, outcomes: Sequence[Outcome]) -> Counts:
        """These and what came of a patch."""
        verdicts = [outcome.verdict for outcome in outcomes]
        return replace(
            self,
            accepted=self.accepted + verdicts.count("accepted"),
            refused=self.refused + verdicts.count("refused"),
            held=self.held + verdicts.count("held"),
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """What the next events tell besides what happens: where in the learn they are."""

    purpose: Purpose = "learning"
    fraction: float = 0.0
    loop: int = 0
    loops: int = 0
    question: int = 0
    questions: int = 0
    asked: str = ""
    score: float | None = None
    validation: float | None = None
    validation_before: float | None = None
