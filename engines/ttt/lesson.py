"""One document being learned: read, gate, measure, descend, measure again."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engines import families
from engines.host import ModelHost
from engines.protocol import GateSnapshot, Progress
from engines.ttt.dual_mlp import DualMLP, Neurons, injected
from engines.ttt.gate import ActivationMeter, open_neurons, scores, snapshot
from engines.ttt.learner import Learner
from engines.ttt.ledger import Entry, changes_of, learned_duals
from engines.ttt.progress import Meter
from engines.ttt.retention import Retention
from engines.ttt.settings import TTTSettings
from engines.ttt.upper import Recordings, UpperLayers, spans

READ_WORK = 2.0  # reading one token, in tokens through the upper layers
STEP_WORK = 3.0  # a gradient step on one token, likewise


@dataclass(frozen=True, slots=True)
class Losses:
    """Mean nats per token of the document, and of the held-out text if there is any."""

    document: float
    held_out: float | None


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of a lesson; nothing is kept of it until the engine does so."""

    changes: dict[int, Neurons]
    alpha: float
    before: Losses
    after: Losses
    open_share: float
    notes: tuple[str, ...] = ()


class Lesson:
    """Learns the tokens ``ids`` (``[tokens]``) on top of ``entries``.

    The base model is untouched between two events, and a lesson that is dropped leaves
    no trace.

    Args:
        layers: numbers of the layers that learn.
        entries: the ledger so far.
        alpha: where the blend starts.
    """

    def __init__(
        self,
        host: ModelHost,
        upper: UpperLayers,
        retention: Retention,
        settings: TTTSettings,
        *,
        layers: Sequence[int],
        entries: Sequence[Entry],
        alpha: float,
    ) -> None:
        self._host = host
        self._upper = upper
        self._retention = retention
        self._settings = settings
        self._layers = layers
        self._entries = entries
        self._alpha = alpha
        self._decoder = families.decoder_layers(host.model)
        self.meter = Meter()

    def events(self, ids: Tensor) -> Generator[Progress, None, Learned]:
        """Learn, one event per batch; returns what was learned."""
        document = self._windows(ids)
        self._plan(document.tokens)
        yield self.meter.event("reading", tokens=len(ids), passes=self._settings.gradient_steps)
        yield from self._prepare()
        opened, gate = yield from self._read(document)
        learner = Learner(
            self._host,
            self._upper,
            self._settings,
            earlier=changes_of(self._entries),
            opened=opened,
            alpha=self._alpha,
        )
        earlier = learned_duals(self._decoder, self._entries, self._alpha)
        before = yield from self._measure(document, earlier)
        yield self.meter.event(
            "learning",
            steps=len(document) * self._settings.gradient_steps,
            loss=before.document,
            alpha=learner.alpha,
            held_out_loss=before.held_out,
            held_out_loss_before=before.held_out,
            gate=gate,
        )
        notes = yield from self._descend(learner, document, before.held_out)
        changes = learner.changes()
        kept = learned_duals(self._decoder, self._entries, learner.alpha, also=changes)
        after = yield from self._measure(document, kept)
        return Learned(changes, learner.alpha, before, after, gate.mean_open_share, notes)

    def _windows(self, ids: Tensor) -> Recordings:
        start = self._host.start_token
        lead = ids[:1] if start is not None and int(ids[0]) == start else ids[:0]
        cut = spans(ids, self._settings.mini_batch_size, self._settings.context_tokens, lead)
        return Recordings(self._upper, cut)

    def _plan(self, tokens: int) -> None:
        passes = self._settings.gradient_steps
        self.meter.plan(tokens * (READ_WORK + 2 + passes * STEP_WORK))
        self.meter.plan(self._retention.tokens * (2 + passes))
        self.meter.plan(self._retention.work_left(gated=self._settings.gate_threshold > 0))

    def _prepare(self) -> Generator[Progress, None, None]:
        for _ in self._retention.record(self.meter):
            yield self.meter.event("reading held-out text")
        if self._settings.gate_threshold > 0:
            for _ in self._retention.calibrate(self.meter):
                yield self.meter.event("calibrating gates, once per model")

    def _read(
        self, document: Recordings
    ) -> Generator[Progress, None, tuple[dict[int, Tensor], GateSnapshot]]:
        activation = ActivationMeter(self._host, self._layers)
        for new in document.read(activation):
            self.meter.did(READ_WORK * new)
            yield self.meter.event("reading")
        counts = self._retention.counts
        mean = activation.mean()
        gated = counts is not None and self._settings.gate_threshold > 0
        if counts is not None and gated:
            opened = open_neurons(scores(mean, counts), self._settings.gate_threshold)
        else:
            opened = [torch.arange(mean.shape[1]) for _ in self._layers]
        shot = snapshot(self._layers, mean.shape[1], opened, calibrated=gated)
        return dict(zip(self._layers, opened, strict=True)), shot

    def _measure(
        self, document: Recordings, duals: Mapping[int, DualMLP]
    ) -> Generator[Progress, None, Losses]:
        loss = yield from self._mean_loss(document, duals, "measuring")
        held_out = self._retention.recordings
        if not len(held_out):
            return Losses(loss, None)
        return Losses(loss, (yield from self._mean_loss(held_out, duals, "measuring")))

    def _mean_loss(
        self, recordings: Recordings, duals: Mapping[int, DualMLP], stage: str
    ) -> Generator[Progress, None, float]:
        total = 0.0
        for recording in recordings:
            with injected(self._decoder, duals), torch.no_grad():
                total += float(self._upper.loss(recording)) * recording.new
            self.meter.did(recording.new)
            yield self.meter.event(stage)
        return total / recordings.tokens

    def _descend(
        self, learner: Learner, document: Recordings, held_out_before: float | None
    ) -> Generator[Progress, None, tuple[str, ...]]:
        passes = self._settings.gradient_steps
        kept, kept_passes = learner.state(), 0
        for step in learner.steps(document):
            self.meter.learned(step.tokens, step.seconds)
            self.meter.did(step.tokens * STEP_WORK)
            yield self.meter.event(
                "learning",
                step=step.step,
                passes_done=step.passes_done,
                loss=step.loss,
                alpha=step.alpha,
            )
            if step.passes_done == kept_passes or held_out_before is None:
                continue
            held_out = yield from self._mean_loss(
                self._retention.recordings, learner.duals, "learning"
            )
            yield self.meter.event("learning", held_out_loss=held_out)
            rise = 100 * (held_out / held_out_before - 1)
            if self._over_budget(rise):
                learner.restore(kept)
                self._skip(document.tokens, passes - step.passes_done)
                return (stopped(kept_passes, passes, rise, self._settings),)
            kept, kept_passes = learner.state(), step.passes_done
        return ()

    def _over_budget(self, rise: float) -> bool:
        budget = self._settings.held_out_budget_percent
        return budget is not None and rise > budget

    def _skip(self, tokens: int, passes: int) -> None:
        self.meter.did(passes * (tokens * STEP_WORK + self._retention.tokens))


def stopped(kept: int, passes: int, rise: float, settings: TTTSettings) -> str:
    """Why learning went no further, for the report."""
    after = f"{kept} of {passes} passes were kept" if kept else "nothing was kept"
    return (
        f"{after}: the next one raised the held-out loss by {rise:.1f} %, and "
        f"held_out.budget_percent is {settings.held_out_budget_percent:g}"
    )
