"""The TTT-E2E engine: learn, reply, forget, save and load."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from engines import checkpoints, families
from engines.host import ModelHost
from engines.models import default_cache
from engines.protocol import (
    Document,
    DocumentError,
    EngineError,
    GateSnapshot,
    LearnReport,
    Piece,
    Progress,
    Sampling,
    Turn,
)
from engines.ttt import stored
from engines.ttt.dual_mlp import DualMLP, injected, mlp_of
from engines.ttt.gate import ActivationMeter, open_neurons, scores, snapshot
from engines.ttt.learner import Learner
from engines.ttt.ledger import Entry, changes_of, learned_duals
from engines.ttt.progress import Meter
from engines.ttt.retention import Retention
from engines.ttt.settings import TTTSettings
from engines.ttt.upper import Recording, Span, UpperLayers, spans

FEWEST_TOKENS = 8
STEP_WORK = 3.0  # a gradient step in forward passes

Events = Generator[Progress, None, None]


class TTTEngine:
    """Learns documents into the last quarter of the layers, and keeps what each changed.

    Args:
        host: the base model; it is only changed inside ``active()``.
        settings: see ``TTTSettings``.
        cache: folder for gate statistics; None is the one all homes share.

    Raises:
        EngineError: if the settings can't teach this model anything.
    """

    name = "ttt"

    def __init__(
        self, host: ModelHost, settings: TTTSettings | None = None, *, cache: Path | None = None
    ) -> None:
        self.host = host
        self.settings = settings or TTTSettings()
        self._decoder = families.decoder_layers(host.model)
        self.layers = modified_layers(len(self._decoder), self.settings)
        self._upper = UpperLayers(host, self.layers[0])
        gates = cache or default_cache() / "gates"
        self._retention = Retention(host, self._upper, self.layers, self.settings, gates)
        self._entries: list[Entry] = []
        self._alpha = self.settings.alpha_initial
        self._duals: dict[int, DualMLP] | None = None

    @property
    def documents(self) -> Sequence[LearnReport]:
        """The ledger: what was learned, in order."""
        return tuple(entry.report for entry in self._entries)

    @property
    def neurons(self) -> int:
        """Neurons per MLP."""
        return families.gated_mlp_parts(mlp_of(self._decoder, self.layers[0])).neurons

    @property
    def gate(self) -> GateSnapshot | None:
        """The gate that the last document of the ledger learned through."""
        if not self._entries:
            return None
        return self._snapshot({n: c.index for n, c in self._entries[-1].changes.items()})

    @property
    def alpha(self) -> float:
        """The blend in use: 1 is the frozen branch alone, 0 the trainable one alone."""
        return self._alpha

    @alpha.setter
    def alpha(self, value: float) -> None:
        if not 0.0 <= value <= 1.0:
            raise EngineError(f"α is a share from 0 to 1, not {value}.")
        self._alpha = value
        for dual in (self._duals or {}).values():
            dual.alpha = value

    def active(self) -> AbstractContextManager[None]:
        """Inside this block the model answers as learned; outside it is the base, to the bit."""
        if not self._entries:
            return nullcontext()
        if self._duals is None:
            self._duals = learned_duals(self._decoder, self._entries, self._alpha)
        return injected(self._decoder, self._duals)

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Stream an answer by the model as learned."""
        prompt = self.host.fit(turns, sampling.max_new_tokens)
        yield from self.host.generate(prompt, sampling, around=self.active)

    def held_out_loss(self) -> float:
        """Mean nats per token of the held-out text with what is learned, at the α in use."""
        with self.active():
            return self._upper.mean_loss(self._retention.recordings)

    def learn(self, document: Document) -> Iterator[Progress | LearnReport]:
        """Learn ``document``; closing the iterator before the report leaves no trace."""
        ids = self._tokens_of(document)
        read = ids[: self.settings.max_tokens_per_document or len(ids)]
        meter = Meter()
        windows = spans(read, self.settings.mini_batch_size, self.settings.context_tokens)
        predicted = sum(window.new for window in windows)
        meter.plan(predicted * (2 + self.settings.gradient_steps * STEP_WORK))
        yield meter.event("reading", tokens=len(read), passes=self.settings.gradient_steps)
        gated = self.settings.gate_threshold > 0
        for _ in self._retention.statistics(meter) if gated else ():
            yield meter.event("calibrating gates, once per model")
        recordings, opened = yield from self._read(windows, meter)
        learner = Learner(
            self.host,
            self._upper,
            self.settings,
            earlier=changes_of(self._entries),
            opened=opened,
            alpha=self._learned_alpha(),
        )
        with learner.block():
            before = self._losses(recordings)
        yield meter.event(
            "learning",
            steps=len(recordings) * self.settings.gradient_steps,
            loss=before[0],
            alpha=learner.alpha,
            held_out_loss=before[1],
            held_out_loss_before=before[1],
            gate=self._snapshot(opened),
        )
        yield from self._descend(learner, recordings, meter)
        changes = learner.changes()
        trial = Entry(_report(document, len(ids), len(read), learner.alpha), changes)
        duals = learned_duals(self._decoder, [*self._entries, trial], learner.alpha)
        with injected(self._decoder, duals):
            after = self._losses(recordings)
        share = sum(len(i) for i in opened.values()) / (len(opened) * self.neurons)
        report = dataclasses.replace(
            trial.report,
            loss_before=before[0],
            loss_after=after[0],
            held_out_loss_before=before[1],
            held_out_loss_after=after[1],
            seconds=meter.seconds,
            tokens_per_second=meter.tokens_per_second or 0.0,
            gate_open_share=share,
        )
        self._keep([*self._entries, Entry(report, changes)])
        yield report

    def _tokens_of(self, document: Document) -> Tensor:
        if any(report.id == document.id for report in self.documents):
            raise DocumentError(
                f"'{document.title}' is learned already: forget it first to learn it anew.",
                document.path,
            )
        ids = self.host.encode(document.text)
        if len(ids) < FEWEST_TOKENS:
            raise DocumentError(
                f"'{document.title}' has only {len(ids)} tokens: give it a sentence or two.",
                document.path,
            )
        return ids

    def _read(
        self, windows: Sequence[Span], meter: Meter
    ) -> Generator[Progress, None, tuple[list[Recording], dict[int, Tensor]]]:
        activation = ActivationMeter(self.host, self.layers)
        recordings = []
        for window in windows:
            with activation.reading(window.new):
                recordings.append(self._upper.record(window))
            meter.did(2 * window.new)
            yield meter.event("reading")
        counts = self._retention.counts
        if counts is None or self.settings.gate_threshold <= 0:
            opened = [torch.arange(self.neurons) for _ in self.layers]
        else:
            opened = open_neurons(scores(activation.mean(), counts), self.settings.gate_threshold)
        return recordings, dict(zip(self.layers, opened, strict=True))

    def _descend(self, learner: Learner, recordings: list[Recording], meter: Meter) -> Events:
        passes_done = 0
        for step in learner.steps(recordings):
            meter.learned(step.tokens, step.seconds)
            meter.did(step.tokens * STEP_WORK)
            measured: dict[str, float] = {}
            if step.passes_done > passes_done and self._retention.recordings:
                with learner.block():
                    measured["held_out_loss"] = self._upper.mean_loss(self._retention.recordings)
            passes_done = step.passes_done
            yield meter.event(
                "learning",
                step=step.step,
                passes_done=step.passes_done,
                loss=step.loss,
                alpha=step.alpha,
                **measured,
            )

    def _losses(self, recordings: list[Recording]) -> tuple[float, float | None]:
        held_out = self._retention.recordings
        document = self._upper.mean_loss(recordings)
        return document, self._upper.mean_loss(held_out) if held_out else None

    def _learned_alpha(self) -> float:
        report = self._entries[-1].report if self._entries else None
        return report.alpha if report and report.alpha else self.settings.alpha_initial

    def _snapshot(self, opened: Mapping[int, Tensor]) -> GateSnapshot:
        return snapshot(
            self.layers,
            self.neurons,
            [opened[number] for number in self.layers],
            calibrated=self.settings.gate_threshold > 0,
        )

    def _keep(self, entries: list[Entry]) -> None:
        self._entries = entries
        self._duals = None
        self._alpha = self._learned_alpha()

    def forget(self, document_id: str) -> None:
        """Take one document back; the last one exactly, an earlier one's own change.

        Raises:
            EngineError: if no learned document has this id.
        """
        kept = [entry for entry in self._entries if entry.report.id != document_id]
        if len(kept) == len(self._entries):
            raise EngineError(f"No learned document has the id '{document_id}'.")
        self._keep(kept)

    def reset(self) -> None:
        """Forget every document."""
        self._keep([])

    def save(self, folder: Path) -> None:
        """Write the ledger into ``folder``, atomically; the base model is not saved."""
        manifest, tensors = stored.pack(self._entries)
        manifest |= {
            "engine": self.name,
            "model": self.host.name,
            "fingerprint": self.host.fingerprint,
            "alpha": self._alpha,
            "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        checkpoints.write(folder, manifest, tensors)

    def load(self, folder: Path) -> None:
        """Replace the ledger by the one in ``folder``.

        Raises:
            CheckpointError: another engine or base model, or damaged files; nothing changes.
        """
        manifest, tensors = checkpoints.read(
            folder, engine=self.name, model=self.host.name, fingerprint=self.host.fingerprint
        )
        entries, alpha = stored.unpack(folder, manifest, tensors, self._decoder)
        self._keep(entries)
        self.alpha = alpha


def modified_layers(count: int, settings: TTTSettings) -> tuple[int, ...]:
    """Numbers of the layers that learn: those set, or the last quarter of ``count``.

    Raises:
        EngineError: if the settings name layers that are not there, or teach nothing.
    """
    quarter = max(1, round(count / 4))
    start = count - quarter if settings.layers_start is None else settings.layers_start
    end = count if settings.layers_end is None else settings.layers_end
    if not 0 <= start < end <= count:
        raise EngineError(
            f"model.modified_layers_start {start} and model.modified_layers_end {end} don't name "
            f"layers of this model: it has {count}, numbered from 0, the end is not included."
        )
    if settings.alpha_initial >= 1.0 and settings.alpha_decay_rate == 0.0:
        raise EngineError(
            "α stays at 1 and nothing could be learned: lower alpha.initial or raise "
            "alpha.decay_rate."
        )
    return tuple(range(start, end))


def _report(document: Document, tokens: int, read: int, alpha: float) -> LearnReport:
    notes = document.notes
    if read < tokens:
        limit = "ttt.max_tokens_per_document sets how many; 0 reads all"
        notes = (*notes, f"read {read} of {tokens} tokens, the rest is left out ({limit})")
    return LearnReport(
        id=document.id,
        title=document.title,
        path=document.path,
        tokens=tokens,
        tokens_read=read,
        loss_before=0.0,
        loss_after=0.0,
        held_out_loss_before=None,
        held_out_loss_after=None,
        seconds=0.0,
        tokens_per_second=0.0,
        gate_open_share=None,
        alpha=alpha,
        learned_at=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=notes,
    )
