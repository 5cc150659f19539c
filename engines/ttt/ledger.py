"""What was learned, document by document, as changes of single neurons.

The learned weights are always ``base + Σ changes`` added in ledger order, so taking the
last document back gives the weights before it to the bit, and a saved ledger loads
into the very same weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from engines.families import gated_mlp_parts
from engines.protocol import LearnReport
from engines.ttt.dual_mlp import DualMLP, NeuronBranch, Neurons, mlp_of

LEVELS = 7  # four bits, symmetric about zero


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of small numbers at four bits, two to a byte.

    ``packed`` is uint8 ``[n, ceil(width / 2)]``, ``scale`` float32 ``[n, 1]``.  A number is a
    level from -7 to 7 times its row's ``scale``, and off by at most half a ``scale``.
    """

    packed: Tensor
    scale: Tensor
    width: int

    @classmethod
    def of(cls, rows: Tensor) -> Rows:
        """``rows`` ``[n, width]``, rounded to the nearest of the levels of each row."""
        scale = (rows.abs().amax(dim=1, keepdim=True) / LEVELS).float()
        safe = torch.where(scale > 0, scale, torch.ones_like(scale))
        levels = ((rows / safe).round() + 8).to(torch.uint8)
        even, odd = levels[:, 0::2], levels[:, 1::2]
        odd = nn.functional.pad(odd, (0, even.shape[1] - odd.shape[1]))
        return cls(even | (odd << 4), scale, rows.shape[1])

    def float(self) -> Tensor:
        """The numbers in float32, ``[n, width]``."""
        levels = torch.stack([self.packed & 15, self.packed >> 4], dim=2).flatten(1)
        return (levels[:, : self.width].float() - 8) * self.scale


@dataclass(frozen=True, slots=True)
class Change:
    """What one document changed in one layer: the neurons it touched, and by how much."""

    index: Tensor
    gate: Rows
    up: Rows
    down: Rows

    @classmethod
    def of(cls, neurons: Neurons) -> Change:
        """``neurons`` as they are kept; what is learned is measured with these, not before."""
        return cls(neurons.index.to(torch.int32), *(Rows.of(rows) for rows in neurons.tensors()))

    def neurons(self) -> Neurons:
        """The change in float32."""
        return Neurons(self.index.long(), self.gate.float(), self.up.float(), self.down.float())

    def tensors(self) -> tuple[Tensor, ...]:
        """All that is kept."""
        rows = (self.gate, self.up, self.down)
        return (self.index, *(part for one in rows for part in (one.packed, one.scale)))

    def energy(self) -> Tensor:
        """The squared size of the change of each touched neuron, ``[n]``."""
        return sum(
            ((rows.float() ** 2).sum(dim=1) for rows in (self.gate, self.up, self.down)),
            start=torch.zeros(len(self.index), device=self.gate.packed.device),
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One learned document: its report, what it changed per layer number, and its tokens.

    A muted entry is kept and left out of the weights.  ``tokens`` ``[tokens]`` int32 is what
    was read of the document, to be rehearsed while later ones are learned.
    """

    report: LearnReport
    changes: Mapping[int, Change]
    tokens: Tensor
    muted: bool = False
    bytes: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Count what is kept, in memory and on disk."""
        tensors = [self.tokens, *(t for one in self.changes.values() for t in one.tensors())]
        object.__setattr__(self, "bytes", sum(t.numel() * t.element_size() for t in tensors))


def total_change(mlp: nn.Module, changes: Sequence[Change], also: Tensor | None = None) -> Neurons:
    """``changes`` added up in order, for every neuron touched or in ``also``.

    Returns float32 neurons in ascending order of index.
    """
    indices = [c.index.long() for c in changes] + ([] if also is None else [also.long()])
    touched = torch.unique(torch.cat([i.cpu() for i in indices]))
    total = Neurons.zeros(mlp, touched)
    for one in changes:
        kept = one.neurons()
        rows = rows_of(total.index, kept.index)
        for target, delta in zip(total.tensors(), kept.tensors(), strict=True):
            target[rows] += delta.to(target.device)
    return total


def changes_of(entries: Sequence[Entry]) -> dict[int, list[Change]]:
    """The changes of all ``entries`` that aren't muted, in order, per layer number."""
    changes: dict[int, list[Change]] = {}
    for entry in entries:
        for number, one in () if entry.muted else entry.changes.items():
            changes.setdefault(number, []).append(one)
    return changes


def learned_duals(
    decoder: nn.ModuleList,
    entries: Sequence[Entry],
    alpha: float,
    also: Mapping[int, Change] | None = None,
) -> dict[int, DualMLP]:
    """What to inject so that the model computes with ``entries``, then with ``also``."""
    duals = {}
    all_changes = changes_of(entries)
    for number, one in (also or {}).items():
        all_changes.setdefault(number, []).append(one)
    for number, changes in all_changes.items():
        mlp = mlp_of(decoder, number)
        total = total_change(mlp, changes)
        branch = NeuronBranch(gated_mlp_parts(mlp), total, trainable=False)
        duals[number] = DualMLP(mlp, [branch], alpha)
    return duals


def rows_of(index: Tensor, wanted: Tensor) -> Tensor:
    """Where each of ``wanted`` stands in the ascending ``index``."""
    return torch.searchsorted(index, wanted.to(index.device, index.dtype))


def select(neurons: Neurons, wanted: Tensor) -> Neurons:
    """The ``wanted`` ones of ``neurons`` (whose index is ascending)."""
    rows = rows_of(neurons.index, wanted)
    return Neurons(neurons.index[rows], neurons.gate[rows], neurons.up[rows], neurons.down[rows])
