"""When learning a document costs too much of the rest: budgets, and what to do then."""

from __future__ import annotations

from dataclasses import dataclass

from engines.ttt.settings import TTTSettings

MOST_RETREATS = 4  # at a sixteenth of the rate nothing is left to gain


@dataclass(frozen=True, slots=True)
class Reading:
    """What a probe found: held-out loss (nats per token), and the share of answers kept.

    Either is None where there is nothing to probe with.
    """

    held_out: float | None
    answers_kept: float | None


def forgetting_ratio(before: float | None, after: float | None) -> float | None:
    """(before − after) / before; None where it has no value, as at before = 0."""
    if before is None or after is None or before == 0:
        return None
    return (before - after) / before


class Guard:
    """Compares probes with the reading before the document, and counts retreats."""

    def __init__(self, settings: TTTSettings, before: Reading) -> None:
        self._settings = settings
        self._before = before
        self.retreats = 0
        self.lifted = False

    @property
    def watches(self) -> bool:
        """True if there is a budget to keep."""
        budgets = (self._settings.held_out_budget_percent, self._settings.forgetting_budget)
        return any(budget is not None for budget in budgets)

    def fault(self, now: Reading) -> str | None:
        """Which budget ``now`` passes, in words; None if none or if they were lifted."""
        if self.lifted:
            return None
        rise = self.rise_percent(now)
        budget = self._settings.held_out_budget_percent
        if budget is not None and rise is not None and rise > budget:
            return f"held-out loss rose by {rise:.1f} %, and held_out.budget_percent is {budget:g}"
        lost = forgetting_ratio(self._before.answers_kept, now.answers_kept)
        limit = self._settings.forgetting_budget
        if limit is not None and lost is not None and lost > limit:
            return (
                f"{100 * lost:.0f} % of the general answers were lost, and "
                f"guard.forgetting_budget is {limit:g}"
            )
        return None

    def rise_percent(self, now: Reading) -> float | None:
        """By how many per cent the held-out loss is above what it was before."""
        if not self._before.held_out or now.held_out is None:
            return None
        return 100 * (now.held_out / self._before.held_out - 1)

    @property
    def gives_up(self) -> bool:
        """True if it went back so often that another try is no use."""
        return self.retreats >= MOST_RETREATS
