"""Which neurons may learn: TF-IDF over the intermediate neurons of each layer.

A neuron is a term, a passage of general text a document of the background corpus.  A
neuron *occurs* in a passage when its mean activation there is among the layer's top
fifth; how often that happens gives its inverse document frequency (as sparse memory
finetuning does with its 1000 background batches, Lin et al. 2025).  Its term frequency
is its share of the activation over the document at hand.  Neurons that score high are
active here and seldom elsewhere: they learn, the others keep serving everything else.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engines import families
from engines.atomic import write_atomically
from engines.host import ModelHost
from engines.protocol import EngineError, GateSnapshot
from engines.ttt.ledger import Change

log = logging.getLogger(__name__)

OCCURS_TOP_SHARE = 0.2  # a neuron occurs in a passage when among this share of its layer
PASSAGE_TOKENS = 128
BINS = 64


@dataclass(slots=True)
class GateStatistics:
    """Running counts: ``occurrences`` ``[layers, neurons]`` over ``passages`` passages."""

    occurrences: Tensor
    passages: int = 0

    @classmethod
    def empty(cls, layers: int, neurons: int) -> GateStatistics:
        """No passage seen yet."""
        return cls(torch.zeros(layers, neurons, dtype=torch.int32))

    def add(self, activation: Tensor) -> None:
        """Count one passage by its mean activation ``[layers, neurons]``."""
        count = max(1, round(activation.shape[1] * OCCURS_TOP_SHARE))
        top = activation.topk(count, dim=1).indices
        self.occurrences.scatter_add_(1, top, torch.ones_like(top, dtype=torch.int32))
        self.passages += 1

    def inverse_document_frequency(self) -> Tensor:
        """log((passages + 1) / (occurrences + 1)), ``[layers, neurons]``, ≥ 0."""
        return torch.log((self.passages + 1.0) / (self.occurrences + 1.0))


class ActivationMeter:
    """Mean activation of every neuron in some layers over the tokens that passed by.

    The activation of neuron j on a token is \\|h_j\\|·‖down_j‖: how much it adds to the
    layer's output.
    """

    def __init__(self, host: ModelHost, layers: Sequence[int]) -> None:
        decoder = families.decoder_layers(host.model)
        self._downs = [families.gated_mlp_parts(decoder[n].mlp).down for n in layers]
        self._norms = [down.weight.detach().float().norm(dim=0).cpu() for down in self._downs]
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._sums = [torch.zeros_like(norm) for norm in self._norms]
        self._tokens = 0

    @contextmanager
    def reading(self, new: int | None = None) -> Iterator[None]:
        """Listen while the model runs; only the last ``new`` tokens count."""

        def listener(i: int) -> Any:
            def listen(module: nn.Module, args: tuple[Tensor, ...]) -> None:
                rows = args[0].detach().reshape(-1, args[0].shape[-1])
                rows = rows if new is None else rows[-new:]
                self._sums[i] += rows.abs().sum(dim=0, dtype=torch.float32).cpu() * self._norms[i]
                self._tokens += len(rows) if i == 0 else 0

            return listen

        handles = [
            down.register_forward_pre_hook(listener(i)) for i, down in enumerate(self._downs)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def mean(self) -> Tensor:
        """Mean activation per token, ``[layers, neurons]``."""
        return torch.stack(self._sums) / max(1, self._tokens)


def calibrate(
    host: ModelHost, layers: Sequence[int], passages: Sequence[str]
) -> Iterator[GateStatistics]:
    """Count neurons over ``passages``, yielding the running statistics after each."""
    statistics: GateStatistics | None = None
    meter = ActivationMeter(host, layers)
    for passage in passages:
        ids = host.encode(passage)[:PASSAGE_TOKENS]
        meter.reset()
        with torch.no_grad(), meter.reading():
            host.backbone(input_ids=ids.unsqueeze(0), use_cache=False)
        mean = meter.mean()
        statistics = statistics or GateStatistics.empty(*mean.shape)
        statistics.add(mean)
        yield statistics


def scores(activation: Tensor, statistics: GateStatistics) -> Tensor:
    """TF-IDF per neuron, ``[layers, neurons]``, from the document's mean ``activation``."""
    frequency = activation / activation.sum(dim=1, keepdim=True).clamp_min(1e-12)
    return frequency * statistics.inverse_document_frequency()


def open_neurons(score: Tensor, threshold: float, top: int | None = None) -> list[Tensor]:
    """Indices of the neurons per layer whose rank (0..1) by ``score`` reaches ``threshold``.

    ``threshold`` 0.75 opens the best-scoring quarter; ``top`` opens as many neurons instead.
    At least one neuron stays open.
    """
    neurons = score.shape[1]
    count = round(neurons * (1.0 - threshold)) if top is None else top
    count = max(1, min(neurons, count))
    return [row.topk(count).indices.sort().values for row in score]


def every_neuron(layers: int, neurons: int) -> list[Tensor]:
    """The indices of all neurons, for each of ``layers`` layers."""
    return [torch.arange(neurons) for _ in range(layers)]


def overlap(opened: Mapping[int, Tensor], changes: Mapping[int, Change]) -> float:
    """The share (0..1) of an earlier document's change that lies in neurons that now open.

    The change of a neuron counts by its squared size, summed over all layers.
    """
    inside = total = 0.0
    for number, change in changes.items():
        energy = change.energy().cpu()
        total += float(energy.sum())
        if number in opened:
            meets = torch.isin(change.index.cpu(), opened[number].cpu().to(change.index.dtype))
            inside += float(energy[meets].sum())
    return inside / total if total else 0.0


def snapshot(
    layers: Sequence[int], neurons: int, opened: Sequence[Tensor], *, calibrated: bool
) -> GateSnapshot:
    """The gate as plain numbers for the heatmap."""
    bins = min(BINS, neurons)
    edge = (torch.arange(neurons) * bins) // neurons
    size = torch.bincount(edge, minlength=bins).float()
    shares = [torch.bincount(edge[index.cpu()], minlength=bins).float() / size for index in opened]
    return GateSnapshot(
        layers=tuple(layers),
        neurons=neurons,
        bins=tuple(tuple(row.tolist()) for row in shares),
        open_share=tuple(len(index) / neurons for index in opened),
        calibrated=calibrated,
    )


class GateCache:
    """Statistics on disk, one file per model, layers and calibration text."""

    def __init__(self, folder: Path, host: ModelHost, layers: Sequence[int]) -> None:
        self._folder = folder
        self._key = f"{host.fingerprint}-{layers[0]}-{layers[-1]}"
        decoder = families.decoder_layers(host.model)
        neurons = families.gated_mlp_parts(decoder[layers[0]].mlp).neurons
        self._shape = (len(layers), neurons)

    def path(self, passages: Sequence[str]) -> Path:
        """Where the statistics over ``passages`` are kept."""
        text = hashlib.sha256("\x00".join(passages).encode()).hexdigest()[:12]
        return self._folder / f"gate-{self._key}-{text}.safetensors"

    def load(self, passages: Sequence[str]) -> GateStatistics | None:
        """The cached statistics, or None if there are none that can be read."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            tensors = load_file(self.path(passages))
            found = GateStatistics(tensors["occurrences"], int(tensors["passages"]))
        except (OSError, SafetensorError, KeyError, ValueError):
            return None
        return found if self.fits(found) else None

    def fits(self, statistics: GateStatistics) -> bool:
        """Whether ``statistics`` are of as many layers and neurons as this model's."""
        return tuple(statistics.occurrences.shape) == self._shape

    def save(self, passages: Sequence[str], statistics: GateStatistics) -> None:
        """Keep ``statistics``, whole; where they can't be written they are counted again."""
        from safetensors.torch import save

        tensors = {
            "occurrences": statistics.occurrences,
            "passages": torch.tensor(statistics.passages, dtype=torch.int64),
        }
        try:
            write_atomically(self.path(passages), save(tensors))
        except EngineError as error:
            log.warning("gate statistics will be counted again: %s", error)
