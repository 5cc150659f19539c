"""A training run of a hypernetwork in the plain values that are drawn of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.content import Content

from widgets import figures
from widgets.plain_text import fitted, one_line, padded

RunState = Literal["looking", "running", "done", "stopped", "failed"]
_FAINT = "$foreground 70%"
_STATES: dict[str, str] = {
    "looking": "$accent", "running": "$accent", "done": "$success", "stopped": "$warning",
    "failed": "$error",
}  # fmt: skip
_COLUMNS = (
    ("STEP", 8), ("CLOSED", 8), ("LORA", 8), ("OTHER", 8), ("CONTEXT", 9), ("GAIN", 7), ("OWN", 7),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """Held-out contexts at one step; losses are nats per token of the gold answers.

    ``closed_book`` is the base without the document, ``lora`` with its LoRA, ``other`` with
    another document's, ``in_context`` with its text.  ``gain`` is the share of the gain of the
    text in context that the LoRA reaches, ``own`` what of it the document itself brings.
    """

    step: int
    closed_book: float
    lora: float
    other: float
    in_context: float
    gain: float | None
    own: float | None
    best: bool = False


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One held-out question, and its answers."""

    step: int
    question: str
    gold: str
    closed_book: str
    lora: str
    in_context: str


@dataclass(frozen=True, slots=True)
class TrainingFrame:
    """A run as far as it is known; losses in nats per answer token.

    ``loss``, ``gold`` and ``distil`` have a (step, value) for each line of its curve.
    ``samples`` are those of the latest evaluation.  ``skipped`` counts steps that changed
    nothing, ``said`` is a sentence where it failed.
    """

    folder: str
    state: RunState = "looking"
    step: int = 0
    steps: int = 0
    stage: int = 0
    parameters: int = 0
    contexts: int = 0
    questions: int = 0
    held_out: int = 0
    learning_rate: float | None = None
    tokens_per_second: float | None = None
    seconds: float = 0.0
    loss: tuple[tuple[int, float], ...] = ()
    gold: tuple[tuple[int, float], ...] = ()
    distil: tuple[tuple[int, float], ...] = ()
    evaluations: tuple[EvaluationRow, ...] = ()
    samples: tuple[SampleRow, ...] = ()
    skipped: int = 0
    skipped_why: str = ""
    said: str = ""

    @property
    def fraction(self) -> float | None:
        """The share of the steps that is done; None before the number of steps is known."""
        return min(self.step / self.steps, 1.0) if self.steps else None


def about_text(frame: TrainingFrame, width: int) -> Content:
    """Folder and state, where it is, what it is made of."""
    state = (frame.state, f"bold {_STATES[frame.state]}")
    room = max(width - len(frame.state) - 3, 8)
    lines = [Content.assemble((fitted(one_line(frame.folder), room), "bold"), "   ", state)]
    if frame.said:
        lines.append(Content.styled(one_line(frame.said), "$error"))
    for parts in (_place(frame), _made_of(frame)):
        if parts:
            lines.append(Content(fitted("   ".join(parts), width)))
    if frame.skipped:
        count = f"{frame.skipped:,} step{'s' * (frame.skipped != 1)} skipped"
        why = f"{count}, the last as {one_line(frame.skipped_why)}"
        lines.append(Content.styled(fitted(why, width), "$warning"))
    return Content("\n").join(lines)


def evaluation_table(frame: TrainingFrame, rows: int) -> Content:
    """The latest evaluations, the newest on top; the best one has a mark."""
    lines = [
        Content.styled("held out: nats per token of the gold answers, and shares", _FAINT),
        Content.styled("  " + "".join(f"{name:>{width}}" for name, width in _COLUMNS), _FAINT),
    ]
    lines += [_evaluation(row) for row in reversed(frame.evaluations[-rows:])]
    return Content("\n").join(lines)


def sample_text(frame: TrainingFrame, width: int) -> Content:
    """Questions with their answers by each voice."""
    step = frame.samples[0].step if frame.samples else 0
    lines = [Content.styled(f"samples at step {step:,}", _FAINT)]
    for sample in frame.samples:
        lines.append(Content.styled(fitted(one_line(sample.question), width), "bold"))
        for name, said, style in (
            ("gold", sample.gold, "$success"), ("closed", sample.closed_book, ""),
            ("LoRA", sample.lora, "$accent"), ("context", sample.in_context, ""),
        ):  # fmt: skip
            label = (padded(f"  {name}", 10), _FAINT)
            text = (fitted(one_line(said) or figures.ABSENT, max(width - 10, 8)), style)
            lines.append(Content.assemble(label, text))
    return Content("\n").join(lines)


def _place(frame: TrainingFrame) -> list[str]:
    if not frame.steps:
        return []
    parts = [f"step {frame.step:,} of {frame.steps:,}", f"stage {frame.stage + 1}"]
    if frame.seconds:
        parts.append(figures.duration(frame.seconds))
    if frame.tokens_per_second is not None:
        parts.append(figures.rate(frame.tokens_per_second))
    if frame.learning_rate is not None:
        parts.append(f"rate {frame.learning_rate:.1e}")
    return parts


def _made_of(frame: TrainingFrame) -> list[str]:
    if not frame.parameters:
        return []
    return [
        f"{frame.parameters / 1e6:.1f}M parameters",
        f"{frame.questions:,} questions on {frame.contexts:,} contexts",
        f"{frame.held_out:,} held out",
    ]


def _evaluation(row: EvaluationRow) -> Content:
    losses = (row.closed_book, row.lora, row.other, row.in_context)
    cells = [f"{row.step:,}", *(figures.number(loss, 3) for loss in losses)]
    cells += [figures.percent(row.gain), figures.percent(row.own)]
    text = "".join(f"{cell:>{width}}" for cell, (_, width) in zip(cells, _COLUMNS, strict=True))
    return Content.assemble(("● " if row.best else "  ", "$success"), text)
