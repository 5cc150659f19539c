"""A real engine without a model: it learns at a fixed pace and answers what it was told to.

Used by the tests of the session and of the screen.  ``hold_at`` makes a learning stop at a
step, or an answer at a token, until ``go`` is set, so that a test looks at a moment and
never waits for a time.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path

from scripted_learning import (
    ANSWERS,
    HELD_OUT,
    OBJECTIVE,
    PASSES,
    STEPS,
    Script,
    gate,
    kept,
    progress,
)

from engines import checkpoints
from engines.protocol import (
    CheckpointError,
    Decision,
    Document,
    EngineError,
    LearnReport,
    Overlap,
    Piece,
    Progress,
    Sampling,
    StudyPlan,
    Turn,
)


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
        yield from words(self.script, self.script.base_answer)


class UndialledEngine:
    """An engine of the protocol whose learning is a formula, with a ledger and no dial."""

    name = "undialled"

    def __init__(self, host: ScriptedHost, script: Script | None = None) -> None:
        self.host = host
        self.script = script or host.script
        self._alpha = 0.95
        self.closed_early = 0
        self._ledger: list[LearnReport] = []
        self._muted: set[str] = set()
        self._left_out: frozenset[str] = frozenset()

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
                decision = yield progress(
                    self.script, step, tokens, start, self._overlaps(document), paused
                )
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
        counts = any(report.id not in self._muted for report in self._ledger)
        usual = self.script.learned_answer if counts else self.script.base_answer
        usual = self.script.answers_at.get(self._alpha, usual)
        for title in (report.title for report in self._ledger if report.id in self._left_out):
            usual = self.script.answers_without.get(title, usual)
        yield from words(self.script, self.script.answers.get(question, usual))

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
            answers_kept=kept(self.script, 1.0),
            answers_probed=ANSWERS,
            overlaps=self._overlaps(document),
        )


class ScriptedEngine(UndialledEngine):
    """One with α that studies, as the first engine of the program does."""

    name = "ttt"

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

    def study(self, document: Document) -> Iterator[Progress | StudyPlan]:
        """Four steps, then the script's plan; what was studied is noted."""
        for step in range(1, 5):
            yield Progress("writing questions", step / 4, step * 2.0, step=step, steps=4)
            if step == self.script.study_hold:
                self.script.wait()
        yield self.script.plan or StudyPlan("next_token", "The script has no items.")


def words(script: Script, text: str) -> Iterator[Piece]:
    for number, word in enumerate(text.split(" ")):
        if number == script.answer_hold:
            script.wait()
        yield Piece(word if number == 0 else f" {word}")
