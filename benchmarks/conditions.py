"""The conditions that ``ttt_truth.py`` compares, as changes of ``TTTSettings``.

Each is learned until the document's NLL is at or below the target, so that what was
lost is compared at equal gain.  A condition that belongs to two tables is run once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from engines.ttt import gating
from engines.ttt.settings import TTTSettings

DEFAULTS = TTTSettings()
PLAIN = {
    "objective": "next_token",
    "retention": 0.0,
    "held_out_budget_percent": None,
    "forgetting_budget": None,
    "guard_every_batches": 3,  # nothing to guard, but has the target been reached?
}
_OPEN = {"gate_threshold": 0.0, "gate_top": None}
_KL = {"retention": DEFAULTS.retention or 1.0}
_GUARD = {
    "held_out_budget_percent": DEFAULTS.held_out_budget_percent,
    "forgetting_budget": DEFAULTS.forgetting_budget,
    "guard_every_batches": DEFAULTS.guard_every_batches,
}
_STUDY_PASSES = 12  # a pass over items as well costs about three times as much

CONDITIONS: dict[str, dict[str, Any]] = {
    "gate": {},
    "all": _OPEN,
    "random": {},
    "gate+kl": _KL,
    "all+kl": _OPEN | _KL,
    "all+guard": _OPEN | _GUARD,
    "gate+kl+guard": _KL | _GUARD,
    "self_study": _KL | {"objective": "self_study", "gradient_steps": _STUDY_PASSES},
    "mixed": _KL | {"objective": "mixed", "gradient_steps": _STUDY_PASSES},
    "auto": _KL | {"objective": "auto", "gradient_steps": _STUDY_PASSES},
}

PARTS: dict[str, tuple[str, ...]] = {
    "gates": ("gate", "all", "random"),
    "retention": ("all", "gate", "all+kl", "gate+kl", "all+guard", "gate+kl+guard"),
    "objectives": ("gate+kl", "self_study", "mixed", "auto"),
    "sequence": ("gate+kl",),
}


def settings_of(
    condition: str, *, target: float, passes: int, seed: int, changed: dict[str, Any]
) -> TTTSettings:
    """The settings of ``condition``; ``changed`` goes before everything else."""
    chosen = {"gradient_steps": passes} | PLAIN | CONDITIONS[condition]
    chosen["gradient_steps"] = min(passes, chosen["gradient_steps"])
    return replace(DEFAULTS, **(chosen | {"target_loss": target, "seed": seed} | changed))


@contextmanager
def ranked_as(condition: str, seed: int) -> Iterator[None]:
    """Inside the block, ``random`` opens as many neurons as the gate does, drawn blindly."""
    real = gating.open_neurons
    chance = torch.Generator().manual_seed(seed)

    def drawn(score: torch.Tensor, *options: Any) -> list[torch.Tensor]:
        return real(torch.rand(score.shape, generator=chance), *options)

    if condition == "random":
        gating.open_neurons = drawn
    try:
        yield
    finally:
        gating.open_neurons = real
