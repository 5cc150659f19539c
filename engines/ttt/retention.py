"""What a model must not lose: general text and questions, and the gate's background counts.

All of it belongs to the base model, so it is prepared once and serves every document.
Three things use it: the *gate* keeps neurons that general text needs from learning, the
*loss* holds each step to the base's own predictions (``held``), and *probes* tell what was
lost in the end.  None of the three uses another's text or questions, unless so many
calibration passages are set that none of the corpus is left to hold to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engines.host import ModelHost
from engines.texts import (
    calibration_passages,
    general_questions,
    held_out_passages,
    passages_from,
)
from engines.ttt.gate import GateCache, GateStatistics, calibrate
from engines.ttt.general import BaseAnswers
from engines.ttt.progress import Meter
from engines.ttt.settings import TTTSettings
from engines.ttt.spans import Recording, Span, Teacher
from engines.ttt.upper import LazyRecordings, Recordings, UpperLayers

HELD_OUT_TOKENS = 128  # read per passage: enough for a paired loss, few enough for a probe
HELD_PASSAGES = 48  # from the end of the corpus, beyond what the gate counts
HELD_TOKENS = 64
CALIBRATION_WORK = 400.0  # one calibration passage in the units of ``Meter``
ANSWER_WORK = 200.0  # one general question answered, likewise


@dataclass(frozen=True, slots=True)
class Needs:
    """What of it a lesson needs: the gate's counts, probed questions, text to be held to."""

    gate: bool = False
    probes: bool = False
    held: bool = False

    @classmethod
    def of(cls, settings: TTTSettings) -> Needs:
        """What learning by ``settings`` needs."""
        return cls(
            gate=settings.gate_threshold > 0 or settings.gate_top is not None,
            probes=settings.forgetting_budget is not None,
            held=settings.retention > 0,
        )


class Retention:
    """Held-out recordings, general answers and gate statistics of one base model.

    Args:
        cache: folder for what is counted once per model, made when needed.
    """

    def __init__(
        self,
        host: ModelHost,
        upper: UpperLayers,
        layers: Sequence[int],
        settings: TTTSettings,
        cache: Path,
    ) -> None:
        self._host = host
        self._upper = upper
        self._layers = layers
        self._settings = settings
        self._corpus = _passages(settings.gate_corpus, calibration_passages)
        self._passages = self._corpus[: settings.gate_calibration_samples]
        self.folder = cache
        self._cache = GateCache(cache, host, layers)
        self._statistics: GateStatistics | None = None
        texts = _passages(settings.held_out_corpus, held_out_passages)
        ids = [host.encode(text)[:HELD_OUT_TOKENS] for text in texts]
        self.held_out = Recordings(upper, [Span(i, len(i) - 1) for i in ids if len(i) > 1])
        self._watched = BaseAnswers(host, general_questions("probe"), cache)
        held = [*general_questions("retention"), *general_questions("instruction")]
        self._held_answers = BaseAnswers(host, held, cache)
        self.probes: tuple[Recording, ...] = ()
        self.held: Sequence[Recording] = ()
        self._recorded = False

    @property
    def counts(self) -> GateStatistics | None:
        """The background counts, or None before ``calibrate`` ran."""
        return self._statistics

    def adopt(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the background counts of a checkpoint, if none are there and they fit."""
        occurrences, passages = tensors.get("occurrences"), tensors.get("passages")
        if self._statistics is None and occurrences is not None and passages is not None:
            found = GateStatistics(occurrences, int(passages))
            if self._cache.fits(found):
                self._statistics = found

    @property
    def corpus_key(self) -> str:
        """Names the calibration text, so that counts over another are told apart."""
        return self._cache.path(self._passages).stem

    @property
    def probe_work(self) -> float:
        """One probe, in the units of ``Meter``."""
        return self.held_out.tokens + sum(one.length / 2 for one in self.probes)

    def work_left(self, needs: Needs) -> float:
        """What ``prepare`` has yet to do, in the units of ``Meter``."""
        work = 0.0 if self._recorded else 2.0 * self.held_out.tokens
        if needs.probes and not self.probes:
            work += ANSWER_WORK * self._watched.missing
        if needs.held and not self.held:
            work += ANSWER_WORK * self._held_answers.missing
        if needs.gate and self._statistics is None:
            self._statistics = self._cache.load(self._passages)
            work += 0.0 if self._statistics else CALIBRATION_WORK * len(self._passages)
        return work

    def prepare(self, meter: Meter, needs: Needs) -> Iterator[str]:
        """Make what is needed ready, yielding what is being done after each piece of it."""
        yield from self._record(meter)
        if needs.probes and not self.probes:
            yield from self._ask(self._watched, meter)
            self.probes = self._probe_recordings()
        if needs.held and not self.held:
            yield from self._ask(self._held_answers, meter)
            self.held = _Taught(self, self._held_spans())
        if needs.gate and self._statistics is None:
            yield from self._calibrate(meter)

    def _record(self, meter: Meter) -> Iterator[str]:
        if self._recorded:
            return
        for new in self.held_out.read():
            meter.did(2 * new)
            yield "reading held-out text"
        self._recorded = True

    def _ask(self, answers: BaseAnswers, meter: Meter) -> Iterator[str]:
        for count in answers.find():
            meter.did(ANSWER_WORK * count)
            yield "asking general questions, once per model"

    def _calibrate(self, meter: Meter) -> Iterator[str]:
        counted = None
        for running in calibrate(self._host, self._layers, self._passages):
            meter.did(CALIBRATION_WORK)
            counted = running
            yield "calibrating gates, once per model"
        self._statistics = counted
        if counted:
            self._cache.save(self._passages, counted)

    def _probe_recordings(self) -> tuple[Recording, ...]:
        right = [one for one in self._watched.answered() if one.right]
        spans = [Span(torch.cat([a.prompt, a.answer[: a.right]]), a.right) for a in right]
        return tuple(sorted((self._upper.record(s) for s in spans), key=lambda r: r.length))

    def _held_spans(self) -> list[Span]:
        spans = []
        beyond = self._corpus[self._settings.gate_calibration_samples :]
        passages = beyond or calibration_passages()  # a text of one's own may be used up
        for passage in passages[-HELD_PASSAGES:]:
            ids = self._host.encode(passage)[:HELD_TOKENS]
            spans += [Span(ids, len(ids) - 1)] if len(ids) > 1 else []
        for one in self._held_answers.answered():
            ids = torch.cat([one.prompt, one.answer])
            spans.append(Span(ids, len(ids) - 1))
        return spans

    @torch.no_grad()
    def taught(self, span: Span) -> Recording:
        """A recording of ``span`` with what the model predicts now as its teacher."""
        recording = self._upper.record(span)
        logits = self._upper.batch_logits([recording])
        top = torch.log_softmax(logits, dim=-1).topk(self._settings.teacher_top_k)
        return Recording(
            recording.hidden, recording.calls, recording.targets, Teacher(top.indices, top.values)
        )


class _Taught(LazyRecordings):
    """Recordings of ``spans`` with the base model as teacher, each made when first asked for.

    A short document needs few of them.  They have to be asked for outside any engine's block.
    """

    def __init__(self, retention: Retention, spans: Sequence[Span]) -> None:
        self._retention = retention
        self._spans = spans
        self._made: dict[int, Recording] = {}

    def __len__(self) -> int:
        return len(self._spans)

    def at(self, index: int) -> Recording:
        """The recording at ``index``."""
        if index not in self._made:
            self._made[index] = self._retention.taught(self._spans[index])
        return self._made[index]


def kept_of(upper: UpperLayers, recordings: Sequence[Recording]) -> int:
    """How many of ``recordings`` are still answered with the very same tokens, greedily."""
    logits = upper.batch_logits(recordings)
    said = logits.argmax(dim=-1)
    row = kept = 0
    for one in recordings:
        kept += bool((said[row : row + one.new] == one.targets.to(said.device)).all())
        row += one.new
    return kept


def _passages(corpus: Path | None, shipped: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    return passages_from(corpus) if corpus else shipped()
