"""What was learned, document by document, as changes of single neurons.

The learned weights are always ``base + Σ changes`` added in ledger order, so taking the
last document back gives the weights before it to the bit, and a saved ledger loads
into the very same weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engines.families import gated_mlp_parts
from engines.protocol import LearnReport
from engines.ttt.dual_mlp import DualMLP, NeuronBranch, Neurons, mlp_of

CHANGE_TYPE = torch.bfloat16  # a change keeps its size to 0.4 %: a checkpoint is half of float32


@dataclass(frozen=True, slots=True)
class Entry:
    """One learned document: its report, and what it changed per layer number."""

    report: LearnReport
    changes: Mapping[int, Neurons]

    @property
    def bytes(self) -> int:
        """Size of the changes in memory and on disk."""
        tensors = [t for n in self.changes.values() for t in (n.index, *n.tensors())]
        return sum(t.numel() * t.element_size() for t in tensors)


def change(before: Neurons, after: Neurons) -> Neurons:
    """``after − before`` as it is kept; both must name the same neurons."""
    kept = [
        (new - old).to(CHANGE_TYPE)
        for new, old in zip(after.tensors(), before.tensors(), strict=True)
    ]
    return Neurons(before.index.to(torch.int32), *kept)


def weights(mlp: nn.Module, changes: Sequence[Neurons], also: Tensor | None = None) -> Neurons:
    """Base weights plus ``changes`` in order, for every neuron touched or in ``also``.

    Returns float32 neurons in ascending order of index.
    """
    indices = [c.index.long() for c in changes] + ([] if also is None else [also.long()])
    touched = torch.unique(torch.cat([i.cpu() for i in indices]))
    total = Neurons.of(mlp, touched)
    for one in changes:
        rows = rows_of(total.index, one.index)
        for target, delta in zip(total.tensors(), one.tensors(), strict=True):
            target[rows] += delta.to(target.device, torch.float32)
    return total


def changes_of(entries: Sequence[Entry]) -> dict[int, list[Neurons]]:
    """The changes of all ``entries`` in order, per layer number."""
    changes: dict[int, list[Neurons]] = {}
    for entry in entries:
        for number, one in entry.changes.items():
            changes.setdefault(number, []).append(one)
    return changes


def learned_duals(
    decoder: nn.ModuleList,
    entries: Sequence[Entry],
    alpha: float,
    also: Mapping[int, Neurons] | None = None,
) -> dict[int, DualMLP]:
    """What to inject so that the model computes with ``entries``, then with ``also``."""
    duals = {}
    all_changes = changes_of(entries)
    for number, one in (also or {}).items():
        all_changes.setdefault(number, []).append(one)
    for number, changes in all_changes.items():
        mlp = mlp_of(decoder, number)
        parts = gated_mlp_parts(mlp)
        learned = weights(mlp, changes)
        frozen = NeuronBranch(parts, Neurons.of(mlp, learned.index), trainable=False)
        trained = NeuronBranch(parts, learned, trainable=False)
        duals[number] = DualMLP(mlp, [(frozen, trained)], alpha)
    return duals


def rows_of(index: Tensor, wanted: Tensor) -> Tensor:
    """Where each of ``wanted`` stands in the ascending ``index``."""
    return torch.searchsorted(index, wanted.to(index.device, index.dtype))


def select(neurons: Neurons, wanted: Tensor) -> Neurons:
    """The ``wanted`` ones of ``neurons`` (whose index is ascending)."""
    rows = rows_of(neurons.index, wanted)
    return Neurons(neurons.index[rows], neurons.gate[rows], neurons.up[rows], neurons.down[rows])
