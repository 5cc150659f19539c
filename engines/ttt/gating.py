"""Choosing, for one document, the neurons that may learn it; and choosing again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from engines import families
from engines.host import ModelHost
from engines.protocol import GateSnapshot
from engines.ttt.dual_mlp import DualMLP, injected
from engines.ttt.gate import ActivationMeter, every_neuron, open_neurons, scores, snapshot
from engines.ttt.retention import Needs, Retention
from engines.ttt.settings import TTTSettings
from engines.ttt.spans import Past, window_edges
from engines.ttt.upper import MEASURED_TOKENS, Recordings, UpperLayers

Opened = dict[int, Tensor]  # indices of neurons per layer number


class Gating:
    """Measures the document's activation and ranks neurons by it.

    Args:
        layers: numbers of the layers that learn.
        retention: where the background counts are, once prepared.
    """

    def __init__(
        self,
        host: ModelHost,
        upper: UpperLayers,
        retention: Retention,
        settings: TTTSettings,
        layers: Sequence[int],
    ) -> None:
        self._host = host
        self._upper = upper
        self._retention = retention
        self._settings = settings
        self._layers = layers
        self.gated = Needs.of(settings).gate

    def read(self, text: Recordings, meter: ActivationMeter | None = None) -> Iterator[int]:
        """Record ``text`` with the base model, yielding tokens done; then ask ``opened``."""
        self._activation = ActivationMeter(self._host, self._layers)
        yield from text.read(self._activation)

    @torch.no_grad()
    def read_again(self, text: Recordings, duals: Mapping[int, DualMLP]) -> Iterator[int]:
        """Measure with what was learned so far, yielding tokens done; then ask ``opened``."""
        decoder = families.decoder_layers(self._host.model)
        self._activation = ActivationMeter(self._host, self._layers)
        for recording in text:
            past = Past(recording.length)
            with injected(decoder, duals):
                self._upper.fill(recording, past)
            for first, last in window_edges(recording.new, MEASURED_TOKENS):
                start, end = recording.lead + first, recording.lead + last
                with injected(decoder, duals), self._activation.reading():
                    self._upper.window_loss(recording, start, end, past)
                yield end - start

    def opened(self) -> tuple[Opened, GateSnapshot]:
        """The neurons that may learn what was read last, and the gate as it is drawn."""
        activation = self._activation.mean()
        neurons = activation.shape[1]
        counts = self._retention.counts
        if counts is not None and self.gated:
            ranked = scores(activation, counts)
            chosen = open_neurons(ranked, self._settings.gate_threshold, self._settings.gate_top)
        else:
            chosen = every_neuron(len(self._layers), neurons)
        shot = snapshot(self._layers, neurons, chosen, calibrated=self.gated)
        return dict(zip(self._layers, chosen, strict=True)), shot
