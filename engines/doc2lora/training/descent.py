"""The optimiser, its schedule, and the average of the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from engines.doc2lora.training.settings import OptimiserSettings

_UNDECAYED = ("scaler", "bias", "norm", "queries")


def optimiser_for(network: nn.Module, settings: OptimiserSettings) -> torch.optim.AdamW:
    """AdamW over all weights that learn; scalers may have a learning rate of their own.

    No weight decay on norms, biases, scalers and learned queries, as published.
    """
    kinds: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            rate = settings.scaler_rate if "scaler" in name else 1.0
            decay = 0.0 if any(part in name for part in _UNDECAYED) else settings.weight_decay
            kinds.setdefault((rate, decay), []).append(parameter)
    groups = [
        {"params": found, "rate": rate, "weight_decay": decay}
        for (rate, decay), found in kinds.items()
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=settings.betas, fused=True)


def learning_rate(step: int, steps: int, settings: OptimiserSettings) -> float:
    """At a step (from 0) of ``steps``: up in a line, then down along a cosine."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    past = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    share = (1 + math.cos(math.pi * min(1.0, past))) / 2
    return settings.learning_rate * (settings.final_share + (1 - settings.final_share) * share)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Each group's rate is ``rate`` times its own factor."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["rate"]


class Average:
    """An exponential moving average of a network's weights, in float32.

    Early on it forgets faster, by (1 + updates) / (10 + updates), so that the random start is
    soon gone.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.updates = 0
        self.weights = {n: p.detach().clone() for n, p in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards the network's weights."""
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        for name, weight in network.state_dict().items():
            self.weights[name].lerp_(weight, 1 - decay)
        self.updates += 1

    def restore(self, weights: Mapping[str, Tensor], updates: int) -> None:
        """Go on from an average that was stored."""
        for name, weight in weights.items():
            self.weights[name].copy_(weight)
        self.updates = updates


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's moments and counts by the number of the parameter, for a file."""
    found = {}
    for number, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            found[f"{number}.{name}"] = torch.as_tensor(value)
    return found


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what ``optimiser_tensors`` gave."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimiser.load_state_dict(
        {"state": state, "param_groups": optimiser.state_dict()["param_groups"]}
    )
