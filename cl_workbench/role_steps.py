"""Pieces of what a role writes, put together while the screen is busy, so that none is lost."""

from __future__ import annotations

from dataclasses import replace

from cl_workbench.messages import Event, Learning
from engines.ace.events import AceProgress

_MOST_CHARACTERS = 8_000
"""More than is ever shown of what is being written."""


def joined(last: Event | None, step: Learning) -> Learning | None:
    """``last`` and ``step`` as one, where both are pieces of the same answer; else None."""
    before = _piece(last) if isinstance(last, Learning) else None
    now = _piece(step)
    if before is None or now is None or _place(before) != _place(now):
        return None
    piece = (before.piece + now.piece)[-_MOST_CHARACTERS:]
    thinking = (before.thinking + now.thinking)[-_MOST_CHARACTERS:]
    return Learning(replace(now, piece=piece, thinking=thinking))


def _piece(step: Learning) -> AceProgress | None:
    """The event, if it tells of nothing but what a role has just written."""
    event = step.progress
    if not isinstance(event, AceProgress) or not (event.piece or event.thinking):
        return None
    return event if event.turn is None and not event.message else None


def _place(event: AceProgress) -> tuple[object, ...]:
    return event.purpose, event.loop, event.question, event.role, event.attempt
