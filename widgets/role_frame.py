"""One moment of learning by questions, in the plain values that the learn pane draws."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from textual.content import Content

from widgets import figures
from widgets.plain_text import fitted, one_line, plain
from widgets.trend import Point

Verdict = Literal["accepted", "refused", "held"]
MAX_WRITTEN = 4_000
"""Characters kept of what a role is writing: more than any pane has room for."""

_FAINT = "$foreground 70%"
_LABEL_WIDTH = 10
_MARKS: dict[Verdict, tuple[str, str]] = {
    "accepted": ("✓", "$success"),
    "refused": ("✗", "$warning"),
    "held": ("●", "$accent"),
}
_KEY = re.compile(r'[{}\[\],\s]*(?<!\\)"([a-z_]{1,40})":\s*')


@dataclass(frozen=True, slots=True)
class RoleChange:
    """What came of one operation on the playbook: ``done`` says what it did, or would have."""

    verdict: Verdict
    done: str
    text: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class RoleFrame:
    """One moment of learning by questions.

    ``place`` says where in the work it is: ``loop 1/3``, ``question 4/12``.  ``role`` is at
    work, in ``attempt``; ``thinking`` and ``writing`` are the ends of what it wrote so far.
    ``right`` is the verdict on the latest answer, ``right_at_once`` that on the first one to
    this question, ``changes`` the latest operations, oldest first.  ``score`` and
    ``validation`` are ``(share done, share right)`` points.
    ``rights`` of the ``answered`` questions of this loop were right at once.  ``notes`` are
    sentences for people, the latest last.
    """

    place: tuple[str, ...] = ()
    asked: str = ""
    role: str = ""
    attempt: int = 1
    thinking: str = ""
    writing: str = ""
    right: bool | None = None
    right_at_once: bool | None = None
    changes: tuple[RoleChange, ...] = ()
    score: tuple[Point, ...] = ()
    validation: tuple[Point, ...] = ()
    rights: int = 0
    answered: int = 0
    bullets: int = 0
    spent_tokens: int = 0
    skipped: int = 0
    notes: tuple[str, ...] = ()


def asked_lines(frame: RoleFrame, width: int, lines: int) -> Content:
    """The question, in at most ``lines`` lines."""
    return _hanging("asked", Content(one_line(frame.asked)), width, lines)


def role_line(frame: RoleFrame) -> Content:
    """Who is at work."""
    again = f"   attempt {frame.attempt}" if frame.attempt > 1 else ""
    doing = "writes" if frame.writing else ("thinks" if frame.thinking else "is asked")
    return Content.assemble((f"the {frame.role} {doing}", "bold $accent"), (again, "$warning"))


def written_lines(frame: RoleFrame, width: int, lines: int) -> Content:
    """The last lines of what the role writes, what it thinks before that faint."""
    thought = Content.styled(plain(frame.thinking).strip(), "$foreground 50% italic")
    said = Content(readable(frame.writing))
    parts = [part for part in (thought, said) if part.plain]
    wrapped = [line for part in parts for line in part.wrap(max(width, 2))]
    return Content("\n").join(wrapped[-lines:]) if lines > 0 else Content()


def readable(written: str) -> str:
    """JSON as far as it is written, each key on a line of its own and without its brackets."""
    keyed = _KEY.sub(lambda key: f"\n{key[1].replace('_', ' ')}: ", plain(written))
    return keyed.replace("\\n", "\n").strip().rstrip("{}[],").rstrip()


def answer_line(frame: RoleFrame) -> Content:
    """Whether the latest answer was right."""
    right = frame.right
    said = ("✓ right", "$success") if right else ("✗ wrong", "$warning")
    return Content.assemble((f"{'answer':<{_LABEL_WIDTH}}", _FAINT), said)


def change_lines(frame: RoleFrame, width: int, lines: int) -> Content:
    """The latest operations with what came of them, one a line."""
    shown = frame.changes[-lines:] if lines > 0 else ()
    drawn = [
        Content.assemble(
            (f"{'playbook' if number == 0 else '':<{_LABEL_WIDTH}}", _FAINT),
            change_line(change, max(width - _LABEL_WIDTH, 8)),
        )
        for number, change in enumerate(shown)
    ]
    return Content("\n").join(drawn)


def change_line(change: RoleChange, room: int) -> Content:
    """One operation in ``room`` cells: what was done, to which text, why not."""
    mark, style = _MARKS[change.verdict]
    head = f"{mark} {one_line(change.done)}"
    why = f"   {one_line(change.why)}" if change.why else ""
    text_room = room - len(head) - 1 - min(len(why), room // 2)
    text = f" {fitted(one_line(change.text), text_room)}" if text_room > 8 and change.text else ""
    why = fitted(why, max(room - len(head) - Content(text).cell_length, 0))
    return Content.assemble((head, style), text, (why, _FAINT))


def count_line(frame: RoleFrame, width: int) -> Content:
    """What the playbook holds and the learning cost so far."""
    parts = [
        f"{figures.count(frame.bullets)} bullet{'' if frame.bullets == 1 else 's'}",
        f"{figures.count(frame.spent_tokens)} tokens spent",
    ]
    skipped = f"   {figures.count(frame.skipped)} skipped" if frame.skipped else ""
    facts = "   ".join(parts)
    label = (f"{'so far':<{_LABEL_WIDTH}}", _FAINT)
    return Content.assemble(label, fitted(facts, width - _LABEL_WIDTH), (skipped, "$warning"))


def note_lines(frame: RoleFrame, width: int, lines: int) -> Content:
    """The latest sentence for people."""
    latest = Content.styled(one_line(frame.notes[-1]), "$warning") if frame.notes else Content()
    return _hanging("note", latest, width, lines)


def right_tail(frame: RoleFrame) -> str:
    """How many questions of this loop were right at once: ``3 of 5 right``."""
    return f"{frame.rights} of {frame.answered} right" if frame.answered else ""


def _hanging(label: str, text: Content, width: int, lines: int) -> Content:
    wrapped = text.wrap(max(width - _LABEL_WIDTH, 8))
    if len(wrapped) > lines:
        wrapped = [*wrapped[: lines - 1], wrapped[lines - 1].rstrip() + Content("…")]
    body = Content("\n" + " " * _LABEL_WIDTH).join(wrapped)
    return Content.assemble((f"{label:<{_LABEL_WIDTH}}", _FAINT), body)
