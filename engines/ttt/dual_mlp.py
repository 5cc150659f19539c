"""A gated MLP with a frozen and a trainable branch, blended by α.

    out = α·frozen(x) + (1 − α)·trainable(x) = frozen(x) + (1 − α)·(trainable(x) − frozen(x))

A gated MLP is a sum over its neurons (gate row, up row, down column), so every neuron
that was never trained cancels in the bracket.  The trainable branch therefore holds
only the neurons that may learn: the result is that of a full copy, a gate that is shut
has no parameter to move, no momentum and no gradient, and the cost is that of the
neurons in use.  Before learning the bracket is exactly zero, so injection changes
nothing, to the bit, at any α.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engines.families import GatedMLP, gated_mlp_parts
from engines.protocol import EngineError


class AlreadyInjectedError(EngineError):
    """A layer already carries a dual MLP; patching a patch would hide the base."""


@dataclass(frozen=True, slots=True)
class Neurons:
    """Weights of ``n`` neurons of one layer, each ``[n, hidden]``.

    ``index`` ``[n]`` says which neurons; ``down`` holds columns of the down projection
    as rows, so that one row of each tensor belongs to one neuron.
    """

    index: Tensor
    gate: Tensor
    up: Tensor
    down: Tensor

    @classmethod
    def of(cls, mlp: nn.Module, index: Tensor) -> Neurons:
        """Copies of the frozen weights of the neurons in ``index``, in float32."""
        parts = gated_mlp_parts(mlp)
        where = index.to(parts.gate.weight.device)
        return cls(
            index=where,
            gate=parts.gate.weight.detach()[where].float(),
            up=parts.up.weight.detach()[where].float(),
            down=parts.down.weight.detach()[:, where].t().contiguous().float(),
        )

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Gate, up and down rows."""
        return self.gate, self.up, self.down

    def map(self, change: Callable[[Tensor], Tensor]) -> Neurons:
        """The same neurons with each weight tensor changed."""
        return Neurons(self.index, change(self.gate), change(self.up), change(self.down))


class NeuronBranch(nn.Module):
    """What some neurons of a gated MLP add to its output, without the down bias.

    ``forward`` takes and gives ``[..., hidden]``.  Trainable weights are kept in
    float32 and cast to the input's type, so small steps don't round away in bfloat16.
    """

    def __init__(self, parts: GatedMLP, neurons: Neurons, *, trainable: bool) -> None:
        super().__init__()
        kind = torch.float32 if trainable else parts.gate.weight.dtype
        self.gate = nn.Parameter(neurons.gate.to(kind, copy=True), requires_grad=trainable)
        self.up = nn.Parameter(neurons.up.to(kind, copy=True), requires_grad=trainable)
        self.down = nn.Parameter(neurons.down.to(kind, copy=True), requires_grad=trainable)
        self.gate_bias = _rows(parts.gate.bias, neurons.index)
        self.up_bias = _rows(parts.up.bias, neurons.index)
        self.act = parts.act

    def forward(self, x: Tensor) -> Tensor:
        """The summed output of these neurons for ``x`` ``[..., hidden]``."""
        linear = nn.functional.linear
        kind = x.dtype
        gate = self.act(linear(x, self.gate.to(kind), self.gate_bias))
        up = linear(x, self.up.to(kind), self.up_bias)
        return (gate * up) @ self.down.to(kind)

    def neurons(self, index: Tensor) -> Neurons:
        """The weights as they are now, detached, in float32."""
        return Neurons(
            index,
            self.gate.detach().float().clone(),
            self.up.detach().float().clone(),
            self.down.detach().float().clone(),
        )


class DualMLP(nn.Module):
    """Stands in for a layer's MLP while an engine's block is open.

    ``branches`` are pairs (frozen, trainable) over disjoint neurons: those being
    trained now, and those that earlier documents changed.
    """

    def __init__(
        self, frozen: nn.Module, branches: list[tuple[NeuronBranch, NeuronBranch]], alpha: float
    ) -> None:
        super().__init__()
        if isinstance(frozen, DualMLP):
            raise AlreadyInjectedError(
                "This model already carries learned layers: close the other engine's block first."
            )
        self.frozen = frozen
        self.branches = branches
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Blend both branches for ``x`` ``[..., hidden]``."""
        out: Tensor = self.frozen(x)
        if self.alpha == 1.0:
            return out
        for base, trained in self.branches:
            out = out + (1.0 - self.alpha) * (trained(x) - base(x))
        return out


def mlp_of(decoder: nn.ModuleList, number: int) -> nn.Module:
    """The MLP that layer ``number`` computes with now."""
    mlp: nn.Module = decoder[number].mlp  # type: ignore[assignment]
    return mlp


@contextmanager
def injected(layers: nn.ModuleList, duals: Mapping[int, DualMLP]) -> Iterator[None]:
    """Put ``duals`` into their layers; on leaving put the very same modules back."""
    before = {number: mlp_of(layers, number) for number in duals}
    if any(isinstance(mlp, DualMLP) for mlp in before.values()):
        raise AlreadyInjectedError(
            "This model already carries learned layers: close the other engine's block first."
        )
    try:
        for number, dual in duals.items():
            layers[number].mlp = dual
        yield
    finally:
        for number, mlp in before.items():
            layers[number].mlp = mlp


def _rows(bias: Tensor | None, index: Tensor) -> Tensor | None:
    return None if bias is None else bias.detach()[index]
