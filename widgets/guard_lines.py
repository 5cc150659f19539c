"""What the guard looks at, did and asks, and what learning aims at: the learn pane's words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from rich.cells import cell_len
from textual.content import Content

from widgets import figures
from widgets.learn_frame import LearnFrame
from widgets.plain_text import fitted, one_line, padded

LABEL_WIDTH = 10
PAUSED = "Paused:"
_FAINT = "$foreground 70%"
_MIN_TITLE_WIDTH = 8
_GAP = "   "
_KEYS = (("g", "go on"), ("w", "go on slower"), ("t", "keep it so"), ("esc", "cancel"))


def held_out_tail(frame: LearnFrame, *, with_budget: bool) -> str:
    """The change of the held-out loss, its mark, and the budget it is held against."""
    change, budget = frame.held_out_change, frame.held_out_budget
    if change is None:
        return ""
    tail = f"{figures.signed_percent(change)} {figures.verdict(change, budget)}".rstrip()
    return f"{tail}  budget {figures.exact_percent(budget)}" if with_budget and budget else tail


def answers_tail(frame: LearnFrame, *, with_budget: bool) -> str:
    """How many answers were kept, the mark, and which share may be lost."""
    budget = frame.answers_budget
    if frame.answers_kept is None:
        return ""
    kept = figures.kept(frame.answers_kept, frame.answers_probed)
    tail = f"{kept} {figures.verdict(frame.answers_lost, budget)}".rstrip()
    return (
        f"{tail}  budget {figures.exact_percent(budget)} lost" if with_budget and budget else tail
    )


def over_budget(frame: LearnFrame) -> str:
    """What passed its budget, in words; without any number, what the guard says."""
    parts = []
    change = frame.held_out_change
    if figures.is_risky(change, frame.held_out_budget):
        budget = figures.exact_percent(frame.held_out_budget)
        parts.append(f"held-out {figures.signed_percent(change)}, budget {budget}")
    if figures.is_risky(frame.answers_lost, frame.answers_budget):
        kept = figures.kept(frame.answers_kept, frame.answers_probed)
        parts.append(f"answers {kept}, budget {figures.exact_percent(frame.answers_budget)} lost")
    return "; ".join(parts) or one_line(frame.guard or "the guard asks how to go on")


def pause_banner(frame: LearnFrame, width: int) -> Content:
    """Why learning waits, and the keys that decide; on one line where both fit."""
    reason = Content.assemble((f"{PAUSED} ", "bold $warning"), (over_budget(frame), "$warning"))
    keys = Content(" · ").join(
        Content.assemble((key, "bold $accent"), f" {words}") for key, words in _KEYS
    )
    gap = ".  " if reason.cell_length + keys.cell_length + 3 <= width else "\n"
    return Content.assemble(reason, gap, keys)


def guard_line(frame: LearnFrame, width: int, lines: int) -> Content:
    """What the guard did last, and a changed learning rate where the words don't tell it."""
    first, now = frame.learning_rates or (0.0, 0.0)
    text = one_line(frame.guard or "")
    told = not text or first == now or f"{now:.2g}" in text
    rate = "" if told else f"rate {first:.2g} → {now:.2g}"
    return hanging("guard", text, rate, width, lines, "$warning")


def objective_line(frame: LearnFrame, width: int, lines: int) -> Content:
    """What is minimised and why, and how far the answers are from the base model's."""
    held = frame.retention_loss
    facts = f"held to the base: {figures.number(held, 3)} nats" if figures.is_measured(held) else ""
    text = one_line(frame.objective or "")
    return hanging("objective" if text else "retention", text, facts, width, lines)


def overlap_line(frame: LearnFrame, width: int) -> Content:
    """The earlier documents that share neurons with this one."""
    text = overlaps(frame.overlaps, width - LABEL_WIDTH - len("with  "))
    return Content.assemble((padded("overlap", LABEL_WIDTH), _FAINT), f"with  {text}")


def overlaps(shares: Iterable[tuple[str, float]], room: int) -> str:
    """``harbour 9%  aviary 4%``: the highest first, as many as fit into ``room`` cells."""
    ranked = sorted(shares, key=lambda pair: -pair[1])
    text = ""
    for title, share in ranked:
        end = f" {figures.percent(share)}"
        left = room - cell_len(text) - (2 if text else 0)
        name = one_line(title)
        if cell_len(name) + len(end) > left and (text or left < _MIN_TITLE_WIDTH):
            break
        text += ("  " if text else "") + fitted(name, left - len(end)) + end
    return text


def hanging(label: str, text: str, facts: str, width: int, lines: int, style: str = "") -> Content:
    """A label, a text, and ``facts`` that are never broken, in at most ``lines`` lines."""
    room = max(width - LABEL_WIDTH, 1)
    wrapped = textwrap.wrap(text, room)
    if len(wrapped) > lines:
        wrapped = [*wrapped[: lines - 1], " ".join(wrapped[lines - 1 :])]
    if facts and wrapped and cell_len(wrapped[-1]) + cell_len(facts) + len(_GAP) <= room:
        wrapped[-1] += _GAP + facts
    elif facts and len(wrapped) < lines:
        wrapped.append(facts)
    elif facts:
        left = max(room - cell_len(facts) - len(_GAP), _MIN_TITLE_WIDTH)
        wrapped[-1] = fitted(wrapped[-1], left) + _GAP + facts
    body = ("\n" + " " * LABEL_WIDTH).join(fitted(line, room) for line in wrapped)
    return Content.assemble((padded(label, LABEL_WIDTH), _FAINT), (body, style))
