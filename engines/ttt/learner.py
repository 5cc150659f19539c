"""Gradient descent on one document: windows, passes, α and the optimiser."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engines import families
from engines.host import ModelHost
from engines.protocol import EngineError
from engines.ttt.dual_mlp import DualMLP, NeuronBranch, Neurons, injected, mlp_of
from engines.ttt.ledger import change, select, weights
from engines.ttt.settings import TTTSettings
from engines.ttt.upper import Recording, UpperLayers


@dataclass(frozen=True, slots=True)
class Step:
    """One gradient step: its mini-batch's loss before it, and how far learning is."""

    passes_done: int
    step: int
    loss: float
    alpha: float
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class LearnerState:
    """What a learner can go back to."""

    weights: list[Tensor]
    alpha: float


class Learner:
    """Trains the open neurons of the upper layers on recorded windows.

    Nothing outside this object changes: a learner that is dropped leaves no trace.

    Args:
        host: the base model.
        upper: the layers that are run.
        earlier: changes made by earlier documents, per layer number, in order.
        opened: indices of the neurons that may learn, per layer number.
        alpha: where the blend starts.

    Attributes:
        duals: what to inject so that the model computes with what is being learned.
    """

    def __init__(
        self,
        host: ModelHost,
        upper: UpperLayers,
        settings: TTTSettings,
        *,
        earlier: Mapping[int, Sequence[Neurons]],
        opened: Mapping[int, Tensor],
        alpha: float,
    ) -> None:
        self._upper = upper
        self._settings = settings
        self._start_alpha = alpha
        self._layers = families.decoder_layers(host.model)
        self._before: dict[int, Neurons] = {}
        self._open: dict[int, NeuronBranch] = {}
        self.duals = {
            number: self._dual(number, index, earlier.get(number, ()))
            for number, index in opened.items()
        }
        self._optimizer = torch.optim.AdamW(
            self.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.alpha = alpha

    def _dual(self, number: int, index: Tensor, changes: Sequence[Neurons]) -> DualMLP:
        mlp = mlp_of(self._layers, number)
        parts = families.gated_mlp_parts(mlp)
        total = weights(mlp, changes, also=index)
        self._before[number] = select(total, index)
        trained = NeuronBranch(parts, self._before[number], trainable=True)
        frozen = NeuronBranch(parts, Neurons.of(mlp, index), trainable=False)
        self._open[number] = trained
        pairs = [(frozen, trained)]
        held = total.index[~torch.isin(total.index, index.to(total.index.device))]
        if len(held):
            base = NeuronBranch(parts, Neurons.of(mlp, held), trainable=False)
            pairs.append((base, NeuronBranch(parts, select(total, held), trainable=False)))
        return DualMLP(mlp, pairs, self._start_alpha)

    def parameters(self) -> list[nn.Parameter]:
        """What the optimiser moves: rows of open neurons only."""
        return [p for branch in self._open.values() for p in branch.parameters()]

    def alpha_after(self, passes: float) -> float:
        """α after ``passes`` passes: its distance to the minimum shrinks by the same share each."""
        floor = self._settings.alpha_min
        distance = max(0.0, self._start_alpha - floor)
        kept: float = (1.0 - self._settings.alpha_decay_rate) ** passes
        return min(self._start_alpha, floor) + distance * kept

    def steps(self, recordings: Sequence[Recording]) -> Iterator[Step]:
        """Learn, one yield per gradient step; the model is the base between yields."""
        shuffle = torch.Generator().manual_seed(self._settings.seed)
        count = len(recordings)
        for done in range(self._settings.gradient_steps):
            order = torch.randperm(count, generator=shuffle).tolist()
            for position, chosen in enumerate(order):
                began = time.perf_counter()
                loss = self._step(recordings[chosen])
                self._set_alpha(self.alpha_after(done + (position + 1) / count))
                yield Step(
                    passes_done=done + (position + 1 == count),
                    step=done * count + position + 1,
                    loss=loss,
                    alpha=self.alpha,
                    tokens=recordings[chosen].new,
                    seconds=time.perf_counter() - began,
                )

    def _step(self, recording: Recording) -> float:
        with injected(self._layers, self.duals), torch.enable_grad():
            loss = self._upper.loss(recording)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        if not math.isfinite(value):
            raise EngineError(
                f"The loss became {value}: lower ttt.learning_rate. Nothing was changed."
            )
        nn.utils.clip_grad_norm_(self.parameters(), self._settings.gradient_clip)
        self._optimizer.step()
        return value

    def _set_alpha(self, alpha: float) -> None:
        self.alpha = alpha
        for dual in self.duals.values():
            dual.alpha = alpha

    def state(self) -> LearnerState:
        """Weights and α as they are now, to go back to."""
        return LearnerState([p.detach().clone() for p in self.parameters()], self.alpha)

    def restore(self, state: LearnerState) -> None:
        """Go back to ``state``."""
        with torch.no_grad():
            for parameter, value in zip(self.parameters(), state.weights, strict=True):
                parameter.copy_(value)
        self._set_alpha(state.alpha)

    def changes(self) -> dict[int, Neurons]:
        """What was learned so far per layer number, as the ledger keeps it."""
        return {
            number: change(before, self._open[number].neurons(before.index))
            for number, before in self._before.items()
        }
