"""What a learn of ACE tells while it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from engines.ace.outcome import Outcome
from engines.ace.revisions import History
from engines.ace.roles import RoleName, RoleTurn
from engines.protocol import Progress

Purpose = Literal["learning", "validating", "rating", "writing questions"]


@dataclass(frozen=True, slots=True)
class AceProgress(Progress):
    """One step of a learn: a piece of what a role writes, its whole turn, or what it changed.

    ``question`` of ``questions`` is asked in ``loop`` of ``loops`` (0 is before the first); it
    reads ``asked``.  ``role`` is at work; ``piece`` and ``thinking`` are what it just wrote in
    ``attempt`` (a higher one starts its answer anew), and ``turn`` is there once it is done.
    ``right`` is the verdict on an answer.  ``outcomes`` are what came of the operations that
    were offered, and ``history`` what they led to.  ``score`` (0..1) is that of this loop's
    questions so far, before anything was learned from each; ``validation`` the latest score of
    the questions kept apart, ``validation_before`` the first.  ``spent_tokens`` were read and
    written by all roles so far; ``skipped`` role turns gave no usable answer, ``unknown_ids``
    were named.  ``message`` is one sentence for people where there is something to say.
    """

    purpose: Purpose = "learning"
    loop: int = 0
    loops: int = 0
    question: int = 0
    questions: int = 0
    asked: str = ""
    role: RoleName | None = None
    piece: str = ""
    thinking: str = ""
    attempt: int = 1
    turn: RoleTurn | None = None
    right: bool | None = None
    outcomes: tuple[Outcome, ...] = ()
    history: History | None = field(default=None, repr=False, hash=False)
    score: float | None = None
    validation: float | None = None
    validation_before: float | None = None
    spent_tokens: int = 0
    skipped: int = 0
    unknown_ids: int = 0
    bullets: int = 0
    message: str = ""
