"""Losses and probes of the model as it is being learned, in pieces short enough to cancel."""

from __future__ import annotations

from collections.abc import Generator, Mapping

import torch
from torch import nn

from engines.protocol import Progress
from engines.ttt.dual_mlp import DualMLP, injected
from engines.ttt.guard import Reading
from engines.ttt.progress import Meter
from engines.ttt.retention import Retention, kept_of
from engines.ttt.upper import Recordings, UpperLayers

HELD_OUT_TOGETHER = 2
PROBES_TOGETHER = 8


class Measuring:
    """Measures with ``duals`` injected; between two events the base model is untouched."""

    def __init__(
        self, upper: UpperLayers, retention: Retention, decoder: nn.ModuleList, meter: Meter
    ) -> None:
        self._upper = upper
        self._retention = retention
        self._decoder = decoder
        self._meter = meter

    def text_loss(
        self, recordings: Recordings, duals: Mapping[int, DualMLP], stage: str
    ) -> Generator[Progress, None, float]:
        """Mean nats per token of a text, each token counted once."""
        total = 0.0
        for recording in recordings:
            windows = self._upper.text_losses(recording)
            while True:
                with injected(self._decoder, duals):
                    window = next(windows, None)
                if window is None:
                    break
                total += window[0] * window[1]
                self._meter.did(window[1])
                yield self._meter.event(stage)
        return total / recordings.tokens

    def probe(self, duals: Mapping[int, DualMLP], stage: str) -> Generator[Progress, None, Reading]:
        """Held-out loss and the share of general answers kept."""
        held_out = yield from self._held_out(duals, stage)
        kept = yield from self._answers(duals, stage)
        return Reading(held_out, kept)

    def _held_out(
        self, duals: Mapping[int, DualMLP], stage: str
    ) -> Generator[Progress, None, float | None]:
        recordings = self._retention.held_out
        total = 0.0
        for begin in range(0, len(recordings), HELD_OUT_TOGETHER):
            group = recordings[begin : begin + HELD_OUT_TOGETHER]
            tokens = sum(one.new for one in group)
            with injected(self._decoder, duals), torch.no_grad():
                total += float(self._upper.batch_loss(group)) * tokens
            self._meter.did(tokens)
            yield self._meter.event(stage)
        return total / recordings.tokens if recordings.tokens else None

    def _answers(
        self, duals: Mapping[int, DualMLP], stage: str
    ) -> Generator[Progress, None, float | None]:
        probes = self._retention.probes
        kept = 0
        for begin in range(0, len(probes), PROBES_TOGETHER):
            group = probes[begin : begin + PROBES_TOGETHER]
            with injected(self._decoder, duals), torch.no_grad():
                kept += kept_of(self._upper, group)
            self._meter.did(sum(one.length for one in group) / 2)
            yield self._meter.event(stage)
        return kept / len(probes) if probes else None
