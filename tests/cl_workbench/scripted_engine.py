"""A real engine without a model: it learns at a fixed pace and answers what it was told to.

Used by the tests of the session and of the screen.  ``hold_at`` makes a learning stop at a
step, or an answer at a token, until ``go`` is set, so that a test looks at a moment and
never waits for a time.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

from engines import checkpoints
from engines.protocol import (
    CheckpointError,
    Decision,
    Document,
    EngineError,
    GateSnapshot,
    LearnReport,
    Overlap,
    Piece,
    Progress,
    Sampling,
    StudyPlan,
    Turn,
)

STEPS = 20
PASSES = 5
LAYERS = tuple(range(22, 30))
BINS = 64
HELD_OUT = 3.0
HELD_OUT_BUDGET = 0.01
ANSWERS = 12
ANSWERS_BUDGET = 0.15
STEPS_PER_PROBE = 4
LEARNING_RATE = 5e-4
OBJECTIVE = "mixed: a script has no reasons, only steps"


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
    answers_lost: int = 1
    guard_at: int | None = None
    guard: str = "a scripted step back to the best state, at half the rate"
    pause_at: int | None = None
    decisions: list[Decision | None] = field(default_factory=list)
    answers_at: dict[float, str] = field(default_factory=dict)
    answers_without: dict[str, str] = field(default_factory=dict)
    plan: StudyPlan | None = None
    study_hold: int | None = None
    studied: list[Document] = field(default_factory=list)
    fail_load: str | None = None
    saves: int = 0

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
        self.fingerprint = "scripted"

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
        self._muted: set[str] = set()
        self._left_out: frozenset[str] = frozenset()

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

    def learn(self, document: Document) -> Generator[Progress | LearnReport, Decision | None, None]:
        """Twenty steps in five passes, then the report; closing changes nothing."""
        self.script.studied.append(document)
        tokens = max(len(document.text.split()), 1)
        start = 3.2 + int(document.id[:2], 16) / 1000
        finished = False
        try:
            for step in range(1, STEPS + 1):
                if step == self.script.break_at:
                    raise self.script.break_with()
                paused = step == self.script.pause_at
                decision = yield self._progress(step, tokens, start, document, paused)
                if paused:
                    self.script.decisions.append(decision)
                    if decision not in {"continue", "slower"}:
                        break
                if step == self.script.learn_hold:
                    self.script.wait()
            finished = True
        finally:
            self.closed_early += not finished
        report = self._report(document, tokens, start)
        self._ledger = [r for r in self._ledger if r.id != document.id] + [report]
        self._alpha = 0.5
        self._muted.discard(document.id)
        yield report

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Stream the answer given for the question, or the usual one, word by word."""
        question = turns[-1].content
        usual = self.script.learned_answer if self._ledger else self.script.base_answer
        usual = self.script.answers_at.get(self._alpha, usual)
        for title in (report.title for report in self._ledger if report.id in self._left_out):
            usual = self.script.answers_without.get(title, usual)
        yield from _words(self.script, self.script.answers.get(question, usual))

    @property
    def muted(self) -> frozenset[str]:
        """What is kept but doesn't count."""
        return frozenset(self._muted)

    def mute(self, document_id: str, muted: bool = True) -> None:
        """Leave a document out, or take it in again."""
        self._position(document_id)
        (self._muted.add if muted else self._muted.discard)(document_id)

    def move(self, document_id: str, position: int) -> None:
        """Put a document at ``position``."""
        self._ledger.insert(position, self._ledger.pop(self._position(document_id)))

    def _position(self, document_id: str) -> int:
        for position, report in enumerate(self._ledger):
            if report.id == document_id:
                return position
        raise EngineError(f"No learned document has the id {document_id}: see the ledger.")

    def bytes_of(self, document_id: str) -> int:
        """A size that depends on the document."""
        return 1_000_000 + int(document_id[:4], 16)

    @contextmanager
    def without(self, document_ids: Collection[str]) -> Iterator[None]:
        """Leave documents out inside the block."""
        before, self._left_out = self._left_out, frozenset(document_ids)
        try:
            yield
        finally:
            self._left_out = before

    def study(self, document: Document) -> Iterator[Progress | StudyPlan]:
        """Four steps, then the script's plan; what was studied is noted."""
        for step in range(1, 5):
            yield Progress("writing questions", step / 4, step * 2.0, step=step, steps=4)
            if step == self.script.study_hold:
                self.script.wait()
        yield self.script.plan or StudyPlan("next_token", "The script has no items.")

    def active(self) -> AbstractContextManager[None]:
        """Nothing to put in or out."""
        return nullcontext()

    def forget(self, document_id: str) -> None:
        """Take one document back."""
        del self._ledger[self._position(document_id)]
        self._muted.discard(document_id)

    def reset(self) -> None:
        """Forget all."""
        self._ledger = []

    def save(self, folder: Path) -> None:
        """Write the ledger and α."""
        self.script.saves += 1
        manifest = {
            "engine": self.name,
            "model": self.host.name,
            "fingerprint": self.host.fingerprint,
            "alpha": self._alpha,
            "documents": [asdict(report) for report in self._ledger],
        }
        checkpoints.write(folder, manifest, {})

    def load(self, folder: Path) -> None:
        """Read the ledger and α."""
        if self.script.fail_load:
            raise CheckpointError(self.script.fail_load)
        host = self.host
        manifest, _ = checkpoints.read(
            folder, engine=self.name, model=host.name, fingerprint=host.fingerprint
        )
        rows = manifest["documents"]
        for row in rows:
            row["notes"] = tuple(row["notes"])
            row["overlaps"] = tuple(Overlap(**overlap) for overlap in row["overlaps"])
        self._ledger = [LearnReport(**row) for row in rows]
        self._alpha = manifest["alpha"]

    def _progress(
        self, step: int, tokens: int, start: float, document: Document, paused: bool
    ) -> Progress:
        share = step / STEPS
        probed = share if paused else step // STEPS_PER_PROBE * STEPS_PER_PROBE / STEPS
        guarded = self.script.guard_at is not None and step >= self.script.guard_at
        slower = guarded or "slower" in self.script.decisions
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
            held_out_loss=HELD_OUT * (1 + self.script.held_out_rise * probed),
            held_out_loss_before=HELD_OUT,
            gate=gate(),
            objective=OBJECTIVE,
            learning_rate=LEARNING_RATE / (2 if slower else 1),
            retention_loss=0.012,
            answers_kept=self._kept(probed),
            answers_probed=ANSWERS,
            held_out_budget=HELD_OUT_BUDGET,
            answers_budget=ANSWERS_BUDGET,
            probes=1 + step // STEPS_PER_PROBE + paused,
            guard=self.script.guard if guarded else None,
            overlaps=self._overlaps(document),
            paused=paused,
        )

    def _kept(self, share: float) -> float:
        return 1 - round(self.script.answers_lost * share) / ANSWERS

    def _overlaps(self, document: Document) -> tuple[Overlap, ...]:
        """Shares that depend on both documents and on nothing else."""
        others = (report for report in self._ledger if report.id != document.id)
        return tuple(
            Overlap(r.id, r.title, (int(r.id[:2], 16) ^ int(document.id[:2], 16)) / 1000)
            for r in others
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
            objective=OBJECTIVE,
            passes=PASSES,
            answers_kept=self._kept(1.0),
            answers_probed=ANSWERS,
            overlaps=self._overlaps(document),
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
