"""From the events of ACE to what the learn pane shows of its roles."""

from __future__ import annotations

from dataclasses import replace

from engines.ace.events import AceProgress
from engines.ace.operations import Add, Merge, Operation, Remove, Tag, Update
from engines.ace.outcome import Outcome
from engines.ace.playbook import Playbook
from engines.ace.revisions import History
from widgets.role_frame import MAX_WRITTEN, RoleChange, RoleFrame
from widgets.trend import bounded

MAX_CHANGES, MAX_NOTES = 12, 6


def advanced(frame: RoleFrame | None, event: AceProgress) -> RoleFrame:
    """The frame with one more event: a piece, a verdict, operations, a score, a sentence."""
    frame = _at_work(_placed(frame or RoleFrame(), event), event)
    frame = _judged(frame, event)
    changes = changes_of(event.outcomes, event.history)
    notes = (_sentence(event),) if event.message else ()
    return replace(
        frame,
        changes=(*frame.changes, *changes)[-MAX_CHANGES:],
        notes=(*frame.notes, *notes)[-MAX_NOTES:],
        bullets=event.bullets,
        spent_tokens=event.spent_tokens,
        skipped=event.skipped,
    )


def ended(frame: RoleFrame | None) -> RoleFrame | None:
    """The frame when nobody is at work any more."""
    if frame is None:
        return None
    return replace(frame, role="", writing="", thinking="", place=())


def place_of(event: AceProgress) -> tuple[str, ...]:
    """Where among loops and questions ``event`` happens, as in ``loop 1/3``, ``question 4/12``."""
    number = f"{event.question}/{event.questions}" if event.questions else ""
    if event.purpose == "writing questions":
        return ("writing questions", number)
    if event.purpose == "rating":
        return ("learning from a rating",)
    if event.purpose == "validating":
        when = f"after loop {event.loop}/{event.loops}" if event.loop else "before loop 1"
        return (f"validating {when}", f"question {number}")
    return (f"loop {event.loop}/{event.loops}", f"question {number}") if event.loop else ()


def changes_of(outcomes: tuple[Outcome, ...], history: History | None) -> list[RoleChange]:
    """What came of operations, each in words; ``history`` is what they led to."""
    playbook = history.playbook if history is not None else Playbook.of(())
    return [_change(outcome, playbook) for outcome in outcomes]


def _placed(frame: RoleFrame, event: AceProgress) -> RoleFrame:
    place = place_of(event)
    if event.asked != frame.asked or place != frame.place:
        frame = replace(frame, right=None, right_at_once=None, asked=event.asked, place=place)
    return frame


def _at_work(frame: RoleFrame, event: AceProgress) -> RoleFrame:
    """What a role writes grows by each piece, and begins anew with its turn or attempt."""
    if event.role is None or event.turn is not None or event.right is not None:
        return frame
    begins = not event.piece and not event.thinking
    if begins or event.attempt != frame.attempt:
        frame = replace(frame, role=event.role, attempt=event.attempt, writing="", thinking="")
    return replace(
        frame,
        role=event.role,
        writing=(frame.writing + event.piece)[-MAX_WRITTEN:],
        thinking=(frame.thinking + event.thinking)[-MAX_WRITTEN:],
    )


def _judged(frame: RoleFrame, event: AceProgress) -> RoleFrame:
    if event.right is not None:
        at_once = event.right if frame.right is None else frame.right_at_once
        frame = replace(frame, right=event.right, right_at_once=at_once)
    if event.score is not None and _ends_question(event):
        before = frame.rights if event.question > 1 else 0
        frame = replace(
            frame,
            answered=event.question,
            rights=before + bool(frame.right_at_once),
            score=bounded([*frame.score, (event.fraction, event.score)]),
        )
    if event.validation is not None and _is_new(frame, event.validation, event):
        points = bounded([*frame.validation, (event.fraction, event.validation)])
        frame = replace(frame, validation=points)
    return frame


def _ends_question(event: AceProgress) -> bool:
    said = event.outcomes or event.message or event.history is not None
    return event.purpose == "learning" and event.role is None and not said


def _sentence(event: AceProgress) -> str:
    """What there is to say; of a role whose answer was no good, which one it was."""
    if event.turn is None:
        return event.message
    what = "skipped" if event.turn.parsed is None else "not usable as it was"
    return f"{event.turn.role}, {what}: {event.message}"


def _is_new(frame: RoleFrame, validation: float, event: AceProgress) -> bool:
    """Whether the questions kept apart were asked again since, or it was gone back."""
    if not frame.validation:
        return True
    share, latest = frame.validation[-1]
    scored = event.history is not None and event.role is None and not event.outcomes
    return latest != validation or (scored and event.fraction > share)


def _change(outcome: Outcome, playbook: Playbook) -> RoleChange:
    operation = outcome.operation
    if operation is None:
        return RoleChange(outcome.verdict, "unreadable", outcome.given, outcome.why)
    done = _DONE[type(operation)] if outcome.verdict == "accepted" else _WOULD[type(operation)]
    if isinstance(operation, Tag):
        done = f"{done} {operation.tag}"
    if outcome.verdict == "held":
        done = f"held: {done}"
    elif outcome.verdict == "refused":
        done = f"refused: {done}"
    named = f"{done} {outcome.id or _named(operation)}".rstrip()
    why = "" if outcome.verdict == "accepted" and outcome.by != "budget" else outcome.why
    return RoleChange(outcome.verdict, named, _text_of(operation, outcome, playbook), why)


def _named(operation: Operation) -> str:
    if isinstance(operation, Merge):
        return " ".join(operation.ids)
    return operation.id


def _text_of(operation: Operation, outcome: Outcome, playbook: Playbook) -> str:
    if isinstance(operation, Add | Update | Merge):
        return operation.text
    bullet = next((b for b in playbook.bullets if b.id == outcome.id), None)
    return bullet.text if bullet is not None else ""


_DONE: dict[type, str] = {
    Add: "added", Update: "updated", Merge: "merged", Tag: "tagged", Remove: "removed",
}  # fmt: skip
_WOULD: dict[type, str] = {
    Add: "add", Update: "update", Merge: "merge", Tag: "tag", Remove: "remove",
}  # fmt: skip
