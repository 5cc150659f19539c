"""A gated MLP with a frozen and a trainable branch, blended by α.

    out = α·frozen(x) + (1 − α)·trainable(x) = frozen(x) + (1 − α)·(trainable(x) − frozen(x))

A gated MLP is a sum over its neurons (gate row, up row, down column), so every neuron
that was never trained cancels in the bracket.  The trainable branch therefore holds
only the neurons that may learn, and of those only what they differ by:

    g' = g + Δgate·x,  u' = u + Δup·x,  h' = act(g')·u'
    bracket = (h' − h)·down + h'·Δdown

with g, u and h as the frozen branch has just computed them.  Before learning every Δ is
zero and so is the bracket: injection changes nothing, to the bit, at any α.  A gate that
is shut has no parameter to move, no momentum and no gradient.  And a small Δ doesn't
round away beside a large bfloat16 weight, since the two are never added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """Numbers for ``n`` neurons of one layer, each ``[n, hidden]``.

    ``index`` ``[n]`` says which neurons, in ascending order; ``down`` holds columns of the
    down projection as rows, so that one row of each tensor belongs to one neuron.
    """

    index: Tensor
    gate: Tensor
    up: Tensor
    down: Tensor

    @classmethod
    def zeros(cls, mlp: nn.Module, index: Tensor) -> Neurons:
        """No change of the neurons in ``index``, in float32 where the layer's weights are."""
        weight = gated_mlp_parts(mlp).gate.weight
        shape = (len(index), weight.shape[1])
        blank = [torch.zeros(shape, dtype=torch.float32, device=weight.device) for _ in range(3)]
        return cls(index.long().to(weight.device), *blank)

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Gate, up and down rows."""
        return self.gate, self.up, self.down

    def map(self, change: Callable[[Tensor], Tensor]) -> Neurons:
        """The same neurons with each tensor of rows changed."""
        return Neurons(self.index, change(self.gate), change(self.up), change(self.down))


class NeuronBranch(nn.Module):
    """What some neurons of a gated MLP add to its output by having changed.

    Parameters are the changes Δ, ``[n, hidden]``.  Trainable ones are kept in float32 and
    cast to the input's type, so small steps don't round away in bfloat16.
    """

    def __init__(self, parts: GatedMLP, change: Neurons, *, trainable: bool) -> None:
        super().__init__()
        weight = parts.gate.weight
        kind = torch.float32 if trainable else weight.dtype

        def own(rows: Tensor) -> nn.Parameter:
            kept = rows.to(weight.device, kind, copy=True)
            return nn.Parameter(kept, requires_grad=trainable)

        self.gate, self.up, self.down = own(change.gate), own(change.up), own(change.down)
        self._act = parts.act
        index = change.index.long().to(weight.device)
        self._index = None if len(index) == parts.neurons else index
        self._base_down = parts.down.weight.detach()[:, index].t().contiguous()

    def forward(self, x: Tensor, gate: Tensor, up: Tensor) -> Tensor:
        """The bracket for ``x`` ``[..., hidden]``.

        ``gate`` and ``up`` are the frozen projections of ``x``, each ``[..., neurons]``; the
        result is ``[..., hidden]``.
        """
        kind = x.dtype
        if self._index is not None:
            gate, up = (t.index_select(-1, self._index) for t in (gate, up))
        # Computed here again, as some activations round differently by where a number lies.
        h = self._act(gate) * up
        changed = self._act(gate + x @ self.gate.to(kind).t()) * (up + x @ self.up.to(kind).t())
        return (changed - h) @ self._base_down + changed @ self.down.to(kind)

    def change(self, index: Tensor) -> Neurons:
        """The changes as they are now, detached, in float32."""
        return Neurons(
            index,
            self.gate.detach().float().clone(),
            self.up.detach().float().clone(),
            self.down.detach().float().clone(),
        )


class DualMLP(nn.Module):
    """Stands in for a layer's MLP while an engine's block is open.

    ``branches`` are over disjoint neurons: those being trained now, and those that only
    earlier documents changed.
    """

    def __init__(self, frozen: nn.Module, branches: Sequence[NeuronBranch], alpha: float) -> None:
        super().__init__()
        if isinstance(frozen, DualMLP):
            raise AlreadyInjectedError(
                "This model already carries learned layers: close the other engine's block first."
            )
        self.frozen = frozen
        self.branches = tuple(branches)
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Blend both branches for ``x`` ``[..., hidden]``."""
        parts = gated_mlp_parts(self.frozen)
        gate, up = parts.gate(x), parts.up(x)
        out: Tensor = parts.down(parts.act(gate) * up)
        if self.alpha == 1.0:
            return out
        for branch in self.branches:
            out = out + (1.0 - self.alpha) * branch(x, gate, up)
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
