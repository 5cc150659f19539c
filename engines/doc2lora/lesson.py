"""Learning one document: read and generate chunk by chunk, build the adapter, measure."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor

from engines.doc2lora.cutting import Cut, cut
from engines.doc2lora.events import Doc2LoraProgress
from engines.doc2lora.hypernetwork import GeneratedLora
from engines.doc2lora.lora import Lora
from engines.doc2lora.makers import SIMULATED, Maker
from engines.doc2lora.measuring import (
    Scored,
    answer_scores,
    first_ids,
    gold_answers,
    text_scores,
)
from engines.doc2lora.reading import ChunkRead
from engines.doc2lora.settings import Doc2LoraSettings
from engines.doc2lora.spectrum import GrowingLora, Grown
from engines.host import Block, ModelHost
from engines.protocol import Document, EngineError, LearnReport

_Events = Generator[Doc2LoraProgress, None, None]

NOT_LEARNED = f"{SIMULATED}: the LoRA is random, no hypernetwork was used and nothing was learned."


@dataclass(frozen=True, slots=True)
class Made:
    """The LoRA of a document's chunks, and the bias LoRA of what made it."""

    lora: Lora
    bias: Lora | None
    chunks: int


class Lesson:
    """One document on its way; ``read``, ``inject`` and ``measure`` come in this order."""

    def __init__(
        self, host: ModelHost, maker: Maker, settings: Doc2LoraSettings, document: Document
    ) -> None:
        self._host, self._maker, self._settings = host, maker, settings
        self._document = document
        self._began = time.perf_counter()
        self._planned = self._done = 0
        self._cut = Cut((), 0, 0)
        self._now = Doc2LoraProgress(
            "reading",
            0.0,
            0.0,
            hypernetwork=maker.origin.name,
            simulated=maker.origin.simulated,
        )

    def _event(self, stage: str, **measured: Any) -> Doc2LoraProgress:
        """The next event: ``measured`` fields change, the others keep their last value."""
        share = min(1.0, self._done / self._planned) if self._planned else 0.0
        seconds = time.perf_counter() - self._began
        self._now = dataclasses.replace(
            self._now, stage=stage, fraction=share, seconds=seconds, **measured
        )
        return self._now

    def read(self) -> Generator[Doc2LoraProgress, None, Made]:
        """Read every chunk and generate its LoRA.

        Raises:
            DocumentError: if there is nothing to read.
            EngineError: if a LoRA is not finite.
        """
        self._cut = yield from self._cutting()
        chunks = self._cut.chunks
        self._text = self._text_to_measure()
        count = self._settings.measure_questions
        self._golds = gold_answers(self._host, self._document, count) if count else []
        self._planned = self._cut.read + 2 * self._to_score()
        yield self._event("reading", chunks=len(chunks), steps=len(chunks), tokens=self._cut.read)
        growing = self._growing(len(chunks))
        last: ChunkRead | None = None
        at_once = self._settings.chunks_at_once
        with contextlib.closing(_reading(self._maker, self._document, chunks, at_once)) as reading:
            for last in reading:
                yield self._chunk_done(last, growing.add(last.lora))
        bias = None if last is None else self._bias(last.lora)
        return Made(growing.finish(), bias, len(chunks))

    def _cutting(self) -> Generator[Doc2LoraProgress, None, Cut]:
        yield self._event("reading")
        cutting = cut(self._host, self._document, self._maker.config, self._settings)
        while True:
            try:
                counted = next(cutting)
            except StopIteration as end:
                done: Cut = end.value
                return done
            yield self._event("counting tokens", tokens=counted)

    def _text_to_measure(self) -> Tensor:
        limit = min(self._settings.measure_tokens, self._cut.read)
        if limit < 2:
            return torch.zeros(0, dtype=torch.long, device=self._host.device)
        return first_ids(self._host, self._document, limit)

    def _to_score(self) -> int:
        return max(len(self._text) - 1, 0) + sum(len(answer) for _, answer in self._golds)

    def _growing(self, chunks: int) -> GrowingLora:
        c = self._maker.config
        return GrowingLora(
            (c.layers, c.rank, c.d_in, c.d_out),
            chunks,
            c.scaling,
            device=self._host.device,
            dtype=self._dtype,
        )

    @property
    def _dtype(self) -> torch.dtype:
        if self._settings.precision == "auto":
            wide = self._host.model.dtype != torch.bfloat16
            return torch.float32 if wide else torch.bfloat16
        return torch.float32 if self._settings.precision == "float32" else torch.bfloat16

    def _bias(self, lora: GeneratedLora) -> Lora | None:
        if lora.bias_a is None or lora.bias_b is None:
            return None
        device, scaling = self._host.device, self._maker.config.scaling
        # A copy: the network's own may be moved or trained on.
        a, b = (t.detach().to(device, self._dtype).clone() for t in (lora.bias_a, lora.bias_b))
        return Lora(a, b, scaling)

    def _chunk_done(self, read: ChunkRead, grown: Grown) -> Doc2LoraProgress:
        now = self._now
        self._done += read.tokens
        seen = now.tokens_seen + read.tokens
        read_seconds = now.read_seconds + read.read_seconds
        generate_seconds = now.generate_seconds + read.generate_seconds
        spent = read_seconds + generate_seconds
        return self._event(
            "generating",
            step=read.number,
            chunk=read.number,
            chunk_tokens=read.tokens,
            tokens_seen=seen,
            tokens_per_second=seen / spent if spent else None,
            read_seconds=read_seconds,
            generate_seconds=generate_seconds,
            norms=grown.norms,
            total_norms=grown.total_norms,
            rank=grown.rank,
            effective_rank=now.effective_rank
            if grown.effective_rank is None
            else grown.effective_rank,
        )

    def inject(self, build: Callable[[], None]) -> _Events:
        """Build the adapter."""
        began = time.perf_counter()
        build()
        yield self._event("injecting", inject_seconds=time.perf_counter() - began)

    def measure(self, learned: Block) -> _Events:
        """The loss of the beginning of the text, then of gold answers: base, and ``learned``.

        Raises:
            EngineError: if the model as learned gives numbers that are not finite.
        """
        blocks = (nullcontext, learned)
        yield from self._scored(
            text_scores(self._host, self._text, blocks), "loss_before", "loss", {}
        )
        answers = answer_scores(self._host, self._golds, blocks)
        yield from self._scored(
            answers, "answer_loss_before", "answer_loss", {"answers": len(self._golds)}
        )

    def _scored(
        self, scores: Iterator[Scored], before: str, after: str, beside: dict[str, Any]
    ) -> _Events:
        tokens, base, learned = 0, 0.0, 0.0
        for score in scores:
            tokens += score.tokens
            base += score.nats[0]
            learned += score.nats[1]
            if not math.isfinite(learned):
                raise EngineError(
                    f"With the LoRA of '{self._document.title}' the model gives numbers that are "
                    "not finite, so nothing was learned: lower doc2lora.context_strength, or "
                    "choose another hypernetwork."
                )
            self._done += 2 * score.tokens
            losses = {before: base / tokens, after: learned / tokens}
            yield self._event("measuring", **losses, **beside)

    def report(self) -> LearnReport:
        """What was done, as far as it is done by now."""
        now = self._now
        return LearnReport(
            id=self._document.id,
            title=self._document.title,
            path=self._document.path,
            tokens=self._cut.tokens,
            tokens_read=self._cut.read,
            loss_before=now.loss_before,
            loss_after=now.loss,
            held_out_loss_before=None,
            held_out_loss_after=None,
            seconds=time.perf_counter() - self._began,
            tokens_per_second=now.tokens_per_second or 0.0,
            gate_open_share=None,
            alpha=None,
            learned_at=datetime.now(UTC).isoformat(timespec="seconds"),
            notes=(*self._document.notes, *self._notes()),
            passes=1,
            chunks=now.chunks,
        )

    def _notes(self) -> Iterator[str]:
        now, done = self._now, self._cut
        chunks, questions = _counted(now.chunks, "chunk"), _counted(now.answers, "question")
        if now.simulated:
            yield NOT_LEARNED
        yield (
            f"a LoRA of rank {now.rank} from {chunks}, effective rank "
            f"{now.effective_rank or 0:.1f}, by {now.hypernetwork}"
        )
        if done.read < done.tokens:
            yield (
                f"read the first {done.read:,} of {done.tokens:,} tokens in {chunks}, "
                "the rest is left out (doc2lora.max_chunks and doc2lora.chunk_tokens say how many)"
            )
        if now.loss_before is not None and len(self._text) < done.read:
            yield f"the losses are those of the first {len(self._text)} tokens"
        if now.answer_loss_before is not None and now.answer_loss is not None:
            yield (
                f"the gold answers of {questions}: {now.answer_loss_before:.2f} nats "
                f"per token by the base, {now.answer_loss:.2f} now"
            )


def _counted(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def _reading(
    maker: Maker, document: Document, chunks: Sequence[Sequence[int]], at_once: int | None
) -> Generator[ChunkRead, None, None]:
    yield from maker.read(document.id, chunks, at_once)
