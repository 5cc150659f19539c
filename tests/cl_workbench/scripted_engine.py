"""A real engine without a model: it learns at a fixed pace and answers what it was told to.

Used by the tests of the session and of the screen.  ``hold_at`` makes a learning stop at a
step, or an answer at a token, until ``go`` is set, so that a test looks at a moment and
never waits for a time.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

from engines.protocol import (
    CheckpointError,
    Document,
    EngineError,
    GateSnapshot,
    LearnReport,
    Piece,
    Progress,
    Sampling,
    Turn,
)

STEPS = 20
PASSES = 5
LAYERS = tuple(range(22, 30))
BINS = 64
HELD_OUT = 3.0


@dataclass
class Script:
    """What the engine does: where it holds, what it answers, where it breaks."""

    learn_hold: int | None = None
    answer_hold: int | None = None
    alpha_hold: int | None = None
    load_hold: bool = False
    alpha_go: threading.Event = field(default_factory=threading.Event)
    alphas: list[float] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    go: threading.Event = field(default_factory=threading.Event)
    break_at: int | None = None
    break_with: Callable[[], Exception] = lambda: RuntimeError("a scripted crash")
    answers: dict[str, str] = field(default_factory=dict)
    base_answer: str = "I do not know of any such thing."
    learned_answer: str = "The document says that the harbour light turns twice a minute."
    held_out_rise: float = 0.003
    fail_load: str | None = None

    def wait(self, go: threading.Event | None = None) -> None:
        """Hold until ``go``; a test that forgets to set it fails instead of hanging."""
        if not (go or self.go).wait(30):
            raise RuntimeError("the script was never told to go on")


class ScriptedHost:
    """A base model in name."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.name = "SmolLM2-135M-Instruct"
        self.why = "The embedded model, since no CUDA device was found."
        self.device = "cpu"
        self.dtype = "float32"
        self.parameters = 134_515_008

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Stream the base's answer, word by word."""
        yield from _words(self.script, self.script.base_answer)


class ScriptedEngine:
    """An engine of the protocol whose learning is a formula."""

    name = "ttt"

    def __init__(self, host: ScriptedHost, script: Script | None = None) -> None:
        self.host = host
        self.script = script or host.script
        self._alpha = 0.95
        self.closed_early = 0
        self._ledger: list[LearnReport] = []

    @property
    def alpha(self) -> float:
        """The blend; a change to it is noted, and may be held."""
        return self._alpha

    @alpha.setter
    def alpha(self, value: float) -> None:
        self.script.alphas.append(value)
        if len(self.script.alphas) == self.script.alpha_hold:
            self.script.wait(self.script.alpha_go)
        self._alpha = value

    @property
    def documents(self) -> Sequence[LearnReport]:
        """What was learned."""
        return tuple(self._ledger)

    def learn(self, document: Document) -> Iterator[Progress | LearnReport]:
        """Twenty steps in five passes, then the report; closing changes nothing."""
        tokens = max(len(document.text.split()), 1)
        start = 3.2 + int(document.id[:2], 16) / 1000
        finished = False
        try:
            for step in range(1, STEPS + 1):
                if step == self.script.break_at:
                    raise self.script.break_with()
                yield self._progress(step, tokens, start)
                if step == self.script.learn_hold:
                    self.script.wait()
            finished = True
        finally:
            self.closed_early += not finished
        report = self._report(document, tokens, start)
        self._ledger = [r for r in self._ledger if r.id != document.id] + [report]
        self._alpha = 0.5
        yield report

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Stream the answer given for the question, or the usual one, word by word."""
        question = turns[-1].content
        usual = self.script.learned_answer if self._ledger else self.script.base_answer
        yield from _words(self.script, self.script.answers.get(question, usual))

    def active(self) -> AbstractContextManager[None]:
        """Nothing to put in or out."""
        return nullcontext()

    def forget(self, document_id: str) -> None:
        """Take one document back."""
        if document_id not in {report.id for report in self._ledger}:
            raise EngineError(f"No learned document has the id {document_id}: see the ledger.")
        self._ledger = [report for report in self._ledger if report.id != document_id]

    def reset(self) -> None:
        """Forget all."""
        self._ledger = []

    def save(self, folder: Path) -> None:
        """Write the ledger."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = [asdict(report) for report in self._ledger]
        (folder / "manifest.json").write_text(json.dumps(rows), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Read the ledger."""
        if self.script.fail_load:
            raise CheckpointError(self.script.fail_load)
        rows = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        self._ledger = [LearnReport(**{**row, "notes": tuple(row["notes"])}) for row in rows]

    def _progress(self, step: int, tokens: int, start: float) -> Progress:
        share = step / STEPS
        return Progress(
            stage="learning",
            fraction=share,
            seconds=share * 30,
            step=step,
            steps=STEPS,
            passes_done=(step - 1) * PASSES // STEPS,
            passes=PASSES,
            tokens=tokens,
            tokens_seen=tokens * step // 4,
            tokens_per_second=212.0,
            loss=start * math.exp(-1.2 * share),
            alpha=0.95 - 0.45 * share,
            held_out_loss=HELD_OUT * (1 + self.script.held_out_rise * share),
            held_out_loss_before=HELD_OUT,
            gate=gate(),
        )

    def _report(self, document: Document, tokens: int, start: float) -> LearnReport:
        return LearnReport(
            id=document.id,
            title=document.title,
            path=document.path,
            tokens=tokens,
            tokens_read=tokens,
            loss_before=start,
            loss_after=start * math.exp(-1.2),
            held_out_loss_before=HELD_OUT,
            held_out_loss_after=HELD_OUT * (1 + self.script.held_out_rise),
            seconds=30.0,
            tokens_per_second=212.0,
            gate_open_share=gate().mean_open_share,
            alpha=0.5,
            learned_at="2025-01-01T00:00:00+00:00",
            notes=self.script.notes,
        )


def gate() -> GateSnapshot:
    """A gate with a texture: each layer's open neurons lie in other bins."""
    rows = tuple(
        tuple(
            max(0.0, 0.25 + 0.22 * math.sin(bin_ * 0.31 * (1 + layer % 3) + layer)
                + 0.08 * math.sin(bin_ * 1.7 + layer * layer))
            for bin_ in range(BINS)
        )
        for layer in LAYERS
    )  # fmt: skip
    shares = tuple(sum(row) / len(row) for row in rows)
    return GateSnapshot(LAYERS, 1536, rows, shares, calibrated=True)


def _words(script: Script, text: str) -> Iterator[Piece]:
    for number, word in enumerate(text.split(" ")):
        if number == script.answer_hold:
            script.wait()
        yield Piece(word if number == 0 else f" {word}")
