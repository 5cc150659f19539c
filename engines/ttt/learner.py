"""Gradient steps on the neurons that may learn: loss, α, optimiser, states to go back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engines import families
from engines.host import ModelHost
from engines.ttt.batches import Batch
from engines.ttt.dual_mlp import DualMLP, NeuronBranch, Neurons, injected, mlp_of
from engines.ttt.ledger import Change, select, total_change
from engines.ttt.settings import TTTSettings
from engines.ttt.upper import UpperLayers

STUDY_WEIGHT = 1.0  # of the items' loss beside the text's


@dataclass(frozen=True, slots=True)
class StepLoss:
    """Losses before one gradient step, mean nats per token, still on the model's device.

    ``document`` is that of the text, or of the items where there is no text.
    """

    document: Tensor
    retention: Tensor | None


@dataclass(frozen=True, slots=True)
class LearnerState:
    """What a learner can go back to: neurons and their change per layer number, and α."""

    changes: Mapping[int, Neurons]
    alpha: float


class Learner:
    """Trains the open neurons of the upper layers.

    Nothing outside this object changes: a learner that is dropped leaves no trace.

    Args:
        host: the base model.
        upper: the layers that are run.
        earlier: changes made by earlier documents, per layer number, in order.
        opened: indices of the neurons that may learn, per layer number.
        alpha: where the blend starts.

    Attributes:
        duals: what to inject so that the model computes with what is being learned.
        learning_rate: of the next step.
    """

    def __init__(
        self,
        host: ModelHost,
        upper: UpperLayers,
        settings: TTTSettings,
        *,
        earlier: Mapping[int, Sequence[Change]],
        opened: Mapping[int, Tensor],
        alpha: float,
    ) -> None:
        self._upper = upper
        self._settings = settings
        self._start_alpha = alpha
        self._layers = families.decoder_layers(host.model)
        self._earlier = earlier
        self._learned: dict[int, Neurons] = {}
        self._before: dict[int, Neurons] = {}
        self._open: dict[int, NeuronBranch] = {}
        self._device = torch.device(host.device).type
        self._steps_in_bfloat16 = steps_in_bfloat16(settings.precision, self._device)
        self.learning_rate = settings.learning_rate
        self.alpha = alpha
        self.duals: dict[int, DualMLP] = {}
        self._optimizer: torch.optim.AdamW | None = None
        self.open(opened)

    def open(self, opened: Mapping[int, Tensor]) -> None:
        """Let these neurons learn from here on; what others have learned is kept."""
        self._learned = self._own_changes()
        self.duals = {number: self._dual(number, index) for number, index in opened.items()}
        self._new_optimizer()

    def _dual(self, number: int, index: Tensor) -> DualMLP:
        mlp = mlp_of(self._layers, number)
        parts = families.gated_mlp_parts(mlp)
        own = self._learned.get(number)
        also = index if own is None else torch.cat([index.cpu(), own.index.cpu()])
        total = total_change(mlp, self._earlier.get(number, ()), also=also)
        if own is not None:
            rows = torch.searchsorted(total.index, own.index)
            for target, delta in zip(total.tensors(), own.tensors(), strict=True):
                target[rows] += delta
        self._before[number] = select(total, index)
        branches = [NeuronBranch(parts, self._before[number], trainable=True)]
        self._open[number] = branches[0]
        held = total.index[~torch.isin(total.index, index.to(total.index.device))]
        if len(held):
            branches.append(NeuronBranch(parts, select(total, held), trainable=False))
        return DualMLP(mlp, branches, self.alpha)

    def _new_optimizer(self) -> None:
        parameters = self.parameters()
        self._optimizer = torch.optim.AdamW(
            parameters,
            lr=self.learning_rate,
            weight_decay=self._settings.weight_decay,
            fused=parameters[0].device.type in ("cpu", "cuda"),
        )

    def parameters(self) -> list[nn.Parameter]:
        """What the optimiser moves: rows of open neurons only."""
        return [p for branch in self._open.values() for p in branch.parameters()]

    def alpha_after(self, passes: float) -> float:
        """α after ``passes`` passes: its distance to the minimum shrinks by the same share each."""
        floor = self._settings.alpha_min
        distance = max(0.0, self._start_alpha - floor)
        kept: float = (1.0 - self._settings.alpha_decay_rate) ** passes
        return min(self._start_alpha, floor) + distance * kept

    def step(self, batch: Batch) -> StepLoss:
        """One gradient step; the model is the base before and after it."""
        for parameter in self.parameters():
            parameter.grad = None
        with injected(self._layers, self.duals), torch.enable_grad(), self._precision():
            losses = self._backward(batch)
        nn.utils.clip_grad_norm_(self.parameters(), self._settings.gradient_clip)
        if self._optimizer is not None:
            self._optimizer.step()
        return losses

    def _precision(self) -> AbstractContextManager[object]:
        """Steps in bfloat16 where the processor is made for it; probes are never so."""
        return torch.autocast(self._device, torch.bfloat16, enabled=self._steps_in_bfloat16)

    def _backward(self, batch: Batch) -> StepLoss:
        """Add up the gradients of each part, one graph at a time to bound memory."""
        text = study = retention = None
        if batch.window is not None:
            window = batch.window
            if window.opens:
                self._upper.fill(window.recording, window.past)
            text = self._upper.window_loss(window.recording, window.start, window.end, window.past)
            torch.autograd.backward(text)
        if batch.study:
            study = self._upper.batch_loss(batch.study)
            torch.autograd.backward(STUDY_WEIGHT * study)
        if batch.retention and self._settings.retention > 0:
            retention = self._upper.batch_loss(batch.retention)
            torch.autograd.backward(self._settings.retention * retention)
        document = text if text is not None else study
        if document is None:
            raise ValueError("a batch without text has to have study items")
        return StepLoss(document.detach(), None if retention is None else retention.detach())

    def set_alpha(self, alpha: float) -> None:
        """Blend by ``alpha`` from here on."""
        self.alpha = alpha
        for dual in self.duals.values():
            dual.alpha = alpha

    def state(self) -> LearnerState:
        """What was learned so far and α, to go back to."""
        return LearnerState(self._own_changes(), self.alpha)

    def restore(self, state: LearnerState, learning_rate: float | None = None) -> None:
        """Go back to ``state``, with fresh momentum and if given another rate."""
        self.learning_rate = learning_rate or self.learning_rate
        opened = {number: before.index for number, before in self._before.items()}
        self._before, self._open, self.duals = {}, {}, {}
        self._optimizer = None  # the old one's moments make room before there are new ones
        self._learned = dict(state.changes)
        self.alpha = state.alpha
        self.duals = {number: self._dual(number, index) for number, index in opened.items()}
        self._new_optimizer()

    def changes(self) -> dict[int, Change]:
        """What was learned so far per layer number, as the ledger keeps it."""
        return {number: Change.of(own) for number, own in self._own_changes().items()}

    def _own_changes(self) -> dict[int, Neurons]:
        """What this learner changed, without what earlier documents did, per layer number."""
        changes = {}
        for number, before in self._before.items():
            now = self._open[number].change(before.index)
            moved = [new - old for new, old in zip(now.tensors(), before.tensors(), strict=True)]
            changes[number] = _merged(self._learned.get(number), Neurons(before.index, *moved))
        return changes


def _merged(first: Neurons | None, second: Neurons) -> Neurons:
    """The sum of two changes, for every neuron in either."""
    if first is None:
        return second
    index = torch.unique(torch.cat([first.index, second.index]))
    tensors = []
    for one, other in zip(first.tensors(), second.tensors(), strict=True):
        total = torch.zeros((len(index), one.shape[1]), dtype=one.dtype, device=one.device)
        total[torch.searchsorted(index, first.index)] += one
        total[torch.searchsorted(index, second.index)] += other
        tensors.append(total)
    return Neurons(index, *tensors)


def steps_in_bfloat16(precision: str, device: str) -> bool:
    """Whether gradient steps compute in bfloat16: if set, or by itself where it is quicker.

    A processor without bfloat16 instructions would emulate them, and is slower then.
    """
    if precision != "auto":
        return precision == "bfloat16"
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capable = torch.cpu.get_capabilities() if device == "cpu" else {}
    return bool(capable.get("avx512_bf16") or capable.get("amx_bf16") or capable.get("arm_bf16"))
