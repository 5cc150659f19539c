"""What a scripted learning does, step by step: every number is a formula of the script."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from engines.protocol import (
    Citation,
    Decision,
    Document,
    GateSnapshot,
    Overlap,
    Progress,
    Retrieval,
    StudyPlan,
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
Overlaps = tuple[Overlap, ...]


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
    retrieval: Retrieval | None = None
    citations: tuple[Citation, ...] = ()
    fail_load: str | None = None
    saves: int = 0

    def wait(self, go: threading.Event | None = None) -> None:
        """Hold until ``go``; a test that forgets to set it fails instead of hanging."""
        if not (go or self.go).wait(30):
            raise RuntimeError("the script was never told to go on")


def progress(
    script: Script, step: int, tokens: int, start: float, overlaps: Overlaps, paused: bool
) -> Progress:
    """One step; held-out loss and answers as they were at the latest look of the guard."""
    share = step / STEPS
    paused_at = script.pause_at if script.pause_at and step >= script.pause_at else 0
    looked = max(step // STEPS_PER_PROBE * STEPS_PER_PROBE, paused_at)
    probed = looked / STEPS
    guarded = script.guard_at is not None and step >= script.guard_at
    slower = guarded or "slower" in script.decisions
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
        held_out_loss=HELD_OUT * (1 + script.held_out_rise * probed),
        held_out_loss_before=HELD_OUT,
        gate=gate(),
        objective=OBJECTIVE,
        learning_rate=LEARNING_RATE / (2 if slower else 1),
        retention_loss=0.012,
        answers_kept=kept(script, probed),
        answers_probed=ANSWERS,
        held_out_budget=HELD_OUT_BUDGET,
        answers_budget=ANSWERS_BUDGET,
        probes=1 + step // STEPS_PER_PROBE + bool(paused_at),
        guard=script.guard if guarded else None,
        overlaps=overlaps,
        paused=paused,
    )


def kept(script: Script, share: float) -> float:
    """The share of answers kept when ``share`` of the work is done."""
    return 1 - round(script.answers_lost * share) / ANSWERS


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
