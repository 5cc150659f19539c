"""One moment of learning a document, in the plain values that the learn pane draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.content import Content

from widgets import figures
from widgets.gate_heatmap import GateBins
from widgets.lora_frame import LoraFrame
from widgets.plain_text import fitted, one_line
from widgets.role_frame import RoleFrame
from widgets.trend import Point

NoticeKind = Literal["empty", "loading", "done", "cancelled", "failed"]
LEARNING, LEARNED = "learning", "learned"
"""The stages that need no words: their pass and batch tell enough."""
_MIN_TITLE_WIDTH, _GOOD_TITLE_WIDTH = 8, 20


@dataclass(frozen=True, slots=True)
class Notice:
    """A state that has words: a heading and lines of plain text below it."""

    kind: NoticeKind
    heading: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LearnFrame:
    """One moment of learning a document; None where a strategy measures no such thing.

    The curves are ``(share done, value)`` points, losses in nats per token, times in
    seconds.  ``place`` says which of several documents it is: ``document 2 of 5``.
    ``held_out`` and ``answers`` have a point for each time the guard looked; the budgets
    are the relative rise and the lost share at which it acts.  ``overlaps`` pairs the
    titles of earlier documents with shares, ``learning_rates`` are the first and the
    present one.  ``roles`` is there where it is learned by questions to a language model,
    ``lora`` where it becomes a LoRA.
    """

    title: str
    stage: str
    fraction: float
    place: str = ""
    tokens: int = 0
    pass_number: int = 0
    passes: int = 0
    step: int = 0
    steps: int = 0
    tokens_per_second: float | None = None
    seconds: float = 0.0
    seconds_left: float | None = None
    loss: tuple[Point, ...] = ()
    alpha: tuple[Point, ...] = ()
    held_out: tuple[Point, ...] = ()
    held_out_before: float | None = None
    held_out_budget: float | None = None
    answers: tuple[Point, ...] = ()
    answers_probed: int = 0
    answers_budget: float | None = None
    gate: GateBins | None = None
    guard: str | None = None
    objective: str | None = None
    retention_loss: float | None = None
    learning_rates: tuple[float, float] | None = None
    overlaps: tuple[tuple[str, float], ...] = ()
    paused: bool = False
    roles: RoleFrame | None = None
    lora: LoraFrame | None = None

    @property
    def held_out_change(self) -> float | None:
        """The relative change of the held-out loss at the latest look."""
        latest = self.held_out[-1][1] if self.held_out else None
        return figures.relative_change(latest, self.held_out_before)

    @property
    def answers_lost(self) -> float | None:
        """The share (0..1) of the answers kept at the first look that were lost since."""
        change = figures.relative_change(
            self.answers_kept, self.answers[0][1] if self.answers else None
        )
        return None if change is None else -change

    @property
    def answers_kept(self) -> float | None:
        """The share (0..1) of the probed answers that were kept at the latest look."""
        return self.answers[-1][1] if self.answers else None


def headline(frame: LearnFrame, width: int) -> Content:
    """Title, place, tokens, pass, batch, speed and time left, as far as there is room.

    Where one of several documents is learned, tokens and batch give way to its place.
    """
    parts = {"place": frame.place} | (_roles(frame.roles) if frame.roles else _batches(frame))
    if frame.seconds_left is not None:
        parts["left"] = f"{figures.duration(frame.seconds_left)} left"
    for name in ("tokens", "batch") if frame.place else ():
        if width - len(_joined(parts)) < _GOOD_TITLE_WIDTH:
            parts.pop(name, None)
    facts = _joined(parts)
    title = fitted(one_line(frame.title), max(width - len(facts), _MIN_TITLE_WIDTH))
    return Content.assemble((title, "bold"), facts)


def _batches(frame: LearnFrame) -> dict[str, str]:
    """Tokens, pass, batch and speed."""
    parts = {}
    if frame.tokens:
        parts["tokens"] = f"{figures.count(frame.tokens)} tokens"
    if frame.lora and frame.lora.chunk and frame.stage not in {LEARNED, "measuring"}:
        parts["stage"] = f"chunk {frame.lora.chunk}/{frame.lora.chunks}"
    elif frame.stage not in {LEARNING, LEARNED}:
        parts["stage"] = frame.stage
    elif frame.passes:
        parts["stage"] = f"pass {frame.pass_number}/{frame.passes}"
    if frame.steps and frame.stage in {LEARNING, LEARNED} and not frame.lora:
        parts["batch"] = f"batch {frame.step}/{frame.steps}"
    if frame.tokens_per_second is not None:
        parts["speed"] = figures.rate(frame.tokens_per_second)
    return parts


def _roles(roles: RoleFrame) -> dict[str, str]:
    """Where among loops and questions it is."""
    return dict(zip(("stage", "batch"), roles.place, strict=False))


def _joined(parts: dict[str, str]) -> str:
    return "".join(f"   {one_line(part)}" for part in parts.values() if part)
