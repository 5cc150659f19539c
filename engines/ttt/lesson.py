"""One document being learned: read, gate, measure, descend under guard, measure again."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engines import families
from engines.host import ModelHost
from engines.protocol import (
    Decision,
    Document,
    EngineError,
    GateSnapshot,
    Overlap,
    Progress,
    StudyItem,
    StudyPlan,
)
from engines.ttt.batches import Batches
from engines.ttt.descent import TOKENS_PER_PROBE, Descent
from engines.ttt.dual_mlp import DualMLP, injected
from engines.ttt.gate import overlap
from engines.ttt.gating import Gating, Opened
from engines.ttt.guard import Reading
from engines.ttt.learner import Learner
from engines.ttt.ledger import Change, Entry, changes_of, learned_duals
from engines.ttt.measuring import Measuring
from engines.ttt.progress import READ_WORK, STEP_WORK, Meter
from engines.ttt.retention import HELD_TOKENS, Needs, Retention
from engines.ttt.settings import TTTSettings
from engines.ttt.spans import SEGMENT_TOKENS, Recording, Span, Teacher, segments
from engines.ttt.study.choose import prepare
from engines.ttt.study.reading import answer_ids, asked
from engines.ttt.study.teacher import teach
from engines.ttt.upper import Recordings, UpperLayers

FEWEST_ITEMS = 4
REHEARSED_PIECES = 64  # of earlier documents, drawn anew for each lesson
TOKENS_PER_ITEM = 24  # of the document: about one item for each of its sentences

Events = Generator[Progress, Decision | None, None]


@dataclass(frozen=True, slots=True)
class Measured:
    """Mean nats per token of the document, and what a probe found."""

    document: float
    probe: Reading


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of a lesson; nothing is kept of it until the engine does so."""

    changes: dict[int, Change]
    alpha: float
    before: Measured
    after: Measured
    open_share: float
    plan: StudyPlan
    passes: int
    overlaps: tuple[Overlap, ...]
    answers_probed: int
    notes: tuple[str, ...]


class Lesson:
    """Learns a document on top of ``entries``.

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
        self._planned = 0.0
        self._needs = Needs.of(settings)
        self._gating = Gating(host, upper, retention, settings, layers)
        self._measuring = Measuring(upper, retention, self._decoder, self.meter)

    def events(
        self, document: Document, ids: Tensor
    ) -> Generator[Progress, Decision | None, Learned]:
        """Learn the tokens ``ids`` (``[tokens]``) of ``document``; returns what was learned."""
        text = self.recordings(ids)
        self._plan_at_least(text)
        yield self.meter.event("reading", tokens=len(ids), passes=self._settings.gradient_steps)
        plan = yield from self.plan_study(document, len(ids))
        study = yield from self._teach(plan, document.text)
        yield from self.prepare()
        yield from self.read(text)
        earlier = learned_duals(self._decoder, self._entries, self._alpha)
        rehearsal = yield from self._rehearsal(earlier)
        opened, gate = self._gating.opened()
        overlaps = overlaps_of(opened, self._entries)
        learner = Learner(
            self._host,
            self._upper,
            self._settings,
            earlier=changes_of(self._entries),
            opened=opened,
            alpha=self._alpha,
        )
        batches = Batches(
            None if plan.objective == "self_study" and study else text,
            study,
            self._retention.held if self._needs.held else (),
            rehearsal,
            self._settings,
        )
        self._plan_descent(text, batches)
        before = Measured(
            (yield from self._measuring.text_loss(text, earlier, "measuring")),
            (yield from self._measuring.probe(earlier, "measuring")),
        )
        yield self._opening(before, learner, batches, gate, overlaps, plan)
        descent = Descent(
            learner, batches, text, measuring=self._measuring, gating=self._gating,
            meter=self.meter, settings=self._settings, before=before.probe,
        )  # fmt: skip
        yield from descent.events()
        changes = learner.changes()
        kept = learned_duals(self._decoder, self._entries, learner.alpha, also=changes)
        self.meter.finish(text.tokens + self._retention.probe_work)
        after = Measured(
            (yield from self._measuring.text_loss(text, kept, "measuring")),
            (yield from self._measuring.probe(kept, "measuring")),
        )
        if not math.isfinite(after.document):
            raise EngineError(
                f"The loss became {after.document}: lower ttt.learning_rate. Nothing was changed."
            )
        neurons = len(self._layers) * gate.neurons
        touched = sum(len(change.index) for change in changes.values()) / neurons
        return Learned(
            changes, learner.alpha, before, after, touched, plan,
            descent.passes_kept, overlaps, len(self._retention.probes), tuple(descent.notes),
        )  # fmt: skip

    def recordings(self, ids: Tensor) -> Recordings:
        """The document in segments that the model can read."""
        start = self._host.start_token
        lead = ids[:1] if start is not None and int(ids[0]) == start else ids[:0]
        context = self._settings.context_tokens
        longest = min(self._host.context_limit, SEGMENT_TOKENS + context)
        return Recordings(self._upper, segments(ids, context, longest, lead))

    def plan_study(
        self, document: Document, tokens: int
    ) -> Generator[Progress, Decision | None, StudyPlan]:
        """Prepare what the document is studied by, no more items than suit its length."""
        suits = max(FEWEST_ITEMS, tokens // TOKENS_PER_ITEM, len(document.questions))
        settings = replace(self._settings, study_items=min(self._settings.study_items, suits))
        steps = prepare(self._host, document, settings, self._retention.folder)
        while True:
            try:
                step = next(steps)
            except StopIteration as done:
                plan: StudyPlan = done.value
                return plan
            yield self.meter.event(f"{step.stage}, {step.done} of {step.total}")

    def _teach(
        self, plan: StudyPlan, text: str
    ) -> Generator[Progress, Decision | None, tuple[Recording, ...]]:
        recordings = []
        for number, item in enumerate(plan.items, start=1):
            recordings.append(self._upper.record(self._span(item, text)))
            yield self.meter.event(f"reading study items {number} of {len(plan.items)}")
        return tuple(recordings)

    def _span(self, item: StudyItem, text: str) -> Span:
        """What the student reads; a sentence is its own teacher, a question has the model's."""
        if item.kind == "cloze":
            answer = answer_ids(self._host, item)
            prompt = asked(self._host, item, with_context=False)
            room = max(1, self._host.context_limit - len(answer))
            return Span(torch.cat([prompt[-room:], answer]), len(answer))
        taught = teach(self._host, item, self._settings.teacher_top_k, text=text)
        return Span(taught.ids, taught.new, Teacher(taught.top_ids, taught.top_log_probs))

    def prepare(self) -> Events:
        """Make ready what belongs to the model and not to the document."""
        for stage in self._retention.prepare(self.meter, self._needs):
            yield self.meter.event(stage)

    def read(self, text: Recordings) -> Events:
        """Read the document with the base model."""
        for new in self._gating.read(text):
            self.meter.did(READ_WORK * new)
            yield self.meter.event("reading")

    def _rehearsal(
        self, duals: Mapping[int, DualMLP]
    ) -> Generator[Progress, Decision | None, tuple[Recording, ...]]:
        """Earlier documents in short pieces, with the model as it is now as their teacher."""
        if not self._settings.retention or not self._settings.rehearsal:
            return ()
        lead = self._host.start_token
        pieces = []
        for entry in self._entries:
            for piece in () if entry.muted else torch.split(entry.tokens.long(), HELD_TOKENS):
                starts = lead is None or int(piece[0]) == lead
                pieces.append(piece if starts else torch.cat([piece.new_tensor([lead]), piece]))
        chance = torch.Generator().manual_seed(self._settings.seed)
        recordings = []
        for i in torch.randperm(len(pieces), generator=chance).tolist()[:REHEARSED_PIECES]:
            if len(pieces[i]) > 1:
                with injected(self._decoder, duals):
                    span = Span(pieces[i], len(pieces[i]) - 1)
                    recordings.append(self._retention.taught(span))
                yield self.meter.event("reading earlier documents")
        return tuple(recordings)

    def preview(self, ids: Tensor) -> Generator[Progress, Decision | None, Opened]:
        """The neurons that would learn these tokens."""
        text = self.recordings(ids)
        self.meter.plan(READ_WORK * text.tokens)
        self.meter.plan(self._retention.work_left(self._needs))
        yield from self.prepare()
        yield from self.read(text)
        return self._gating.opened()[0]

    def _plan_at_least(self, text: Recordings) -> None:
        """Plan what is known before anything is read: general text and items come on top."""
        self._planned = self._settings.gradient_steps * STEP_WORK * text.tokens
        self.meter.plan(self._planned + READ_WORK * text.tokens)
        self.meter.plan(self._retention.work_left(self._needs))

    def _plan_descent(self, text: Recordings, batches: Batches) -> None:
        passes = self._settings.gradient_steps
        steps = passes * STEP_WORK * (batches.tokens + batches.held_tokens)
        self.meter.plan(max(0.0, steps - self._planned))
        every = self._settings.guard_every_batches
        often = passes * (batches.tokens + batches.held_tokens) // TOKENS_PER_PROBE + 1
        probes = passes * batches.steps // every if every else min(passes, often)
        self.meter.plan(2 * text.tokens + (2 + probes) * self._retention.probe_work)
        if self._settings.target_loss is not None:
            self.meter.plan(passes * text.tokens)

    def _opening(
        self,
        before: Measured,
        learner: Learner,
        batches: Batches,
        gate: GateSnapshot,
        overlaps: tuple[Overlap, ...],
        plan: StudyPlan,
    ) -> Progress:
        budget = self._settings.held_out_budget_percent
        return self.meter.event(
            "learning",
            steps=batches.steps * self._settings.gradient_steps,
            loss=before.document,
            alpha=learner.alpha,
            learning_rate=learner.learning_rate,
            held_out_loss=before.probe.held_out,
            held_out_loss_before=before.probe.held_out,
            held_out_budget=None if budget is None else budget / 100,
            answers_kept=before.probe.answers_kept,
            answers_probed=len(self._retention.probes),
            answers_budget=self._settings.forgetting_budget,
            probes=1,
            gate=gate,
            overlaps=overlaps,
            objective=f"{plan.objective}: {plan.reason}" if plan.reason else plan.objective,
        )


def overlaps_of(opened: Opened, entries: Sequence[Entry]) -> tuple[Overlap, ...]:
    """How much of each earlier document's change lies where the next one may learn."""
    return tuple(
        Overlap(one.report.id, one.report.title, overlap(opened, one.changes)) for one in entries
    )
