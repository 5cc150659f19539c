"""An engine that makes LoRAs in name: its events tell of chunks, norms, ranks and times."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import replace

from scripted_engine import ScriptedHost, UndialledEngine

from engines.doc2lora.events import Doc2LoraProgress
from engines.protocol import Decision, Document, LearnReport, Progress

LAYERS, CHUNKS, RANK = 30, 12, 8
NOTE = "a LoRA of rank 96 from 12 chunks, effective rank 41.5, by smollm2-135m"


class LoraEngine(UndialledEngine):
    """Reads twelve chunks, builds an adapter and measures; has a context strength."""

    name = "doc2lora"
    strength_limit = 4.0
    bias_strength = 1.0
    simulated = False

    def __init__(self, host: ScriptedHost) -> None:
        super().__init__(host)
        self.strength = 1.0

    def learn(self, document: Document) -> Generator[Progress | LearnReport, Decision | None, None]:
        """The events of one document; stops after chunk ``learn_hold`` until it may go on."""
        finished = False
        try:
            for event in self.events():
                yield event
                if event.stage == "generating" and event.chunk == self.script.learn_hold:
                    self.script.wait()
            finished = True
        finally:
            self.closed_early += not finished
        report = replace(
            self._report(document, 2_900, 3.31), loss_after=2.8, objective=None, chunks=CHUNKS,
            notes=(NOTE,), answers_kept=None, answers_probed=0, held_out_loss_before=None,
            held_out_loss_after=None, gate_open_share=None, alpha=None, overlaps=(),
        )  # fmt: skip
        self._ledger.append(report)
        yield report

    def events(self) -> Iterator[Doc2LoraProgress]:
        """Chunk after chunk, the adapter, then the losses."""
        now = Doc2LoraProgress(
            "reading", 0.0, 0.0, steps=CHUNKS, chunks=CHUNKS, tokens=2_900,
            hypernetwork="smollm2-135m", simulated=self.simulated,
        )  # fmt: skip
        yield now
        for chunk in range(1, CHUNKS + 1):
            now = replace(
                now, stage="generating", fraction=0.8 * chunk / CHUNKS, seconds=0.5 * chunk,
                step=chunk, chunk=chunk, chunk_tokens=242, tokens_per_second=483.0,
                norms=norms(chunk), total_norms=tuple(n * chunk**0.5 for n in norms(chunk)),
                rank=RANK * chunk, effective_rank=41.5 * chunk / CHUNKS,
                read_seconds=0.3 * chunk, generate_seconds=0.15 * chunk,
            )  # fmt: skip
            yield now
        now = replace(now, stage="injecting", inject_seconds=0.25)
        yield now
        yield replace(
            now, stage="measuring", fraction=1.0, loss_before=3.31, loss=2.8,
            answer_loss_before=4.2, answer_loss=2.11, answers=8,
        )  # fmt: skip


class SimulatedLoraEngine(LoraEngine):
    """One whose LoRAs are random."""

    simulated = True


def norms(chunk: int) -> tuple[float, ...]:
    """A pattern that differs from chunk to chunk and from layer to layer."""
    return tuple(1.0 + 0.9 * math.sin(0.35 * layer + 0.8 * chunk) for layer in range(LAYERS))
