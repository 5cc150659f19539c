"""Applying a patch: each operation judged by itself, by code, with one sentence on what came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engines.ace.budget import Budget, evictions
from engines.ace.bullet import (
    MAX_TEXT_CHARACTERS,
    NO_SOURCE,
    Bullet,
    PastText,
    Source,
    clean_text,
    now,
)
from engines.ace.duplicates import only_repeats, twin_of
from engines.ace.golds import copied_gold
from engines.ace.limits import Limits
from engines.ace.operations import Add, Merge, Operation, Remove, Tag, Update, from_json
from engines.ace.outcome import Outcome
from engines.ace.playbook import Playbook
from engines.ace.reading import Unreadable, shown
from engines.ace.rewriting import rewriting_fault
from engines.ace.screening import screen
from engines.ace.sections import (
    DEFAULT_SECTIONS,
    MAX_NUMBER,
    MAX_SECTIONS,
    bullet_id,
    id_parts,
    section_name,
)


@dataclass(frozen=True, slots=True)
class Applied:
    """The playbook after a patch, and what came of each operation, in order.

    Bullets that the budget drove out come last, each as an accepted ``Remove``.
    """

    playbook: Playbook
    outcomes: tuple[Outcome, ...]


class _RefusedError(Exception):
    def __init__(self, why: str, twin: str = "") -> None:
        super().__init__(why)
        self.twin = twin


class _HeldError(Exception):
    """A person has to look first."""


@dataclass(frozen=True, slots=True)
class _Patch:
    limits: Limits
    revision: int
    at: str
    source: Source
    person: bool
    fault: str | None


def apply(
    playbook: Playbook,
    operations: Sequence[Operation | Unreadable],
    limits: Limits | None = None,
    *,
    revision: int = 0,
    at: str | None = None,
    source: Source | None = None,
    person: bool = False,
    hold: bool = False,
) -> Applied:
    """Apply ``operations`` one after the other; those that are refused leave no trace.

    A role's text that is flagged is held: it is judged but not applied.  With ``hold``, all
    that would be accepted is held.  A ``person`` may do what a role may not: put in flagged or
    near-duplicate texts and take away or rewrite as much as they like.  ``revision`` and ``at``
    date what changes.  An empty patch is fine.
    """
    chosen = limits or Limits()
    fault = None
    if not person:
        fault = rewriting_fault(playbook, operations, chosen.removed, chosen.rewritten)
    patch = _Patch(chosen, revision, at or now(), source or NO_SOURCE, person, fault)
    outcomes: list[Outcome] = []
    changed = playbook
    for operation in operations:
        changed, outcome = _judged(changed, operation, patch)
        outcomes.append(outcome)
    if hold:
        return Applied(playbook, tuple(_held(outcome) for outcome in outcomes))
    changed, evicted = _within_budget(changed, chosen.budget, revision)
    return Applied(changed, (*outcomes, *evicted))


def _held(outcome: Outcome) -> Outcome:
    if outcome.verdict != "accepted":
        return outcome
    made = isinstance(outcome.operation, Add)
    return replace(outcome, verdict="held", why="waits for review", id="" if made else outcome.id)


def _judged(
    playbook: Playbook, operation: Operation | Unreadable, patch: _Patch
) -> tuple[Playbook, Outcome]:
    if isinstance(operation, Unreadable):
        return playbook, Outcome(None, "refused", operation.why, given=operation.given)
    if not _can_be_kept(operation):
        why = "a field is no text, or far too long"
        return playbook, Outcome(None, "refused", why, given=shown(operation.to_json()))
    id_ = operation.ids[0] if isinstance(operation, Merge) and operation.ids else ""
    id_ = id_ or getattr(operation, "id", "")
    known = id_ if playbook.get(id_) else ""
    try:
        changed, why, concerned = _changed(playbook, operation, patch)
    except _RefusedError as refused:
        return playbook, Outcome(operation, "refused", str(refused), known, refused.twin)
    except _HeldError as held:
        return playbook, Outcome(operation, "held", str(held), known)
    return changed, Outcome(operation, "accepted", why, concerned)


def _can_be_kept(operation: Operation) -> bool:
    """Whether the log could hold ``operation``, whatever becomes of it."""
    try:
        from_json(operation.to_json())
    except (KeyError, TypeError, ValueError):
        return False
    return True


def _changed(playbook: Playbook, operation: Operation, patch: _Patch) -> tuple[Playbook, str, str]:
    """The playbook after ``operation``, what was done, and the id of the bullet concerned."""
    if patch.fault and isinstance(operation, Remove | Merge | Update):
        raise _RefusedError(patch.fault)
    match operation:
        case Add():
            bullet = _new_bullet(playbook, operation, patch)
            return playbook.put(bullet), f"added as {bullet.id}", bullet.id
        case Update():
            bullet = _updated(playbook, operation, patch)
            return playbook.put(bullet), "its text was changed", bullet.id
        case Merge():
            return _merge(playbook, operation, patch)
        case Tag():
            bullet = _found(playbook, operation.id)
            if operation.tag == "neutral":
                return playbook, "made no difference; its counters stay", bullet.id
            helpful = operation.tag == "helpful"
            counted = bullet.counted(helpful, not helpful, patch.revision, patch.at)
            return playbook.put(counted), f"counted as {operation.tag}", bullet.id
        case Remove():
            bullet = _found(playbook, operation.id)
            return playbook.without({bullet.id}), "removed", bullet.id


def _new_bullet(playbook: Playbook, add: Add, patch: _Patch) -> Bullet:
    try:
        section = section_name(add.section)
    except ValueError as error:
        raise _RefusedError(str(error)) from error
    text = _text(add.text, patch)
    if section not in DEFAULT_SECTIONS:
        _text(section, patch)
    sections = playbook.sections
    if section not in sections and len(sections) >= MAX_SECTIONS:
        raise _RefusedError(f"there are {MAX_SECTIONS} sections already; use one of them")
    if len(playbook.bullets) >= patch.limits.bullets or playbook.next_number > MAX_NUMBER:
        raise _RefusedError(f"the playbook holds {len(playbook.bullets)} bullets already")
    _check_twin(text, sections.get(section, ()), patch)
    _screen(f"{section}: {text}" if screen(section) else text, patch)
    bullet = Bullet(
        _id_for(playbook, section, add.id),
        section,
        text,
        max(0, add.helpful),
        max(0, add.harmful),
        patch.source,
        patch.revision,
        patch.at,
        patch.revision,
        patch.at,
    )
    return _fitting(bullet, patch)


def _id_for(playbook: Playbook, section: str, wanted: str) -> str:
    """``wanted`` if it fits the section and no bullet ever had its number, else the next.

    A number that leaves few to come is not taken from elsewhere.
    """
    parts = id_parts(wanted)
    free = range(playbook.next_number, MAX_NUMBER // 2)
    if parts is None or parts[1] not in free or bullet_id(section, parts[1]) != wanted:
        return playbook.new_id(section)
    return wanted


def _updated(playbook: Playbook, update: Update, patch: _Patch) -> Bullet:
    bullet = _found(playbook, update.id)
    text = _text(update.text, patch)
    if text == bullet.text:
        raise _RefusedError("the text is the same as before", bullet.id)
    others = [b for b in playbook.sections[bullet.section] if b.id != bullet.id]
    _check_twin(text, others, patch)
    _screen(text, patch)
    return _fitting(bullet.rewritten(text, patch.revision, patch.at), patch)


def _merge(playbook: Playbook, merge: Merge, patch: _Patch) -> tuple[Playbook, str, str]:
    merged = [_found(playbook, id_) for id_ in dict.fromkeys(merge.ids)]
    if len(merged) < 2:
        raise _RefusedError("a merge needs two bullets or more")
    first, *rest = merged
    text = _text(merge.text, patch)
    gone = {bullet.id for bullet in merged}
    _check_twin(text, [b for b in playbook.sections[first.section] if b.id not in gone], patch)
    _screen(text, patch)
    past = tuple(PastText(bullet.id, bullet.text, patch.revision) for bullet in rest)
    kept = first.rewritten(text, patch.revision, patch.at, past).counted(
        sum(bullet.helpful for bullet in rest),
        sum(bullet.harmful for bullet in rest),
        patch.revision,
        patch.at,
    )
    _fitting(kept, patch)
    others = ", ".join(bullet.id for bullet in rest)
    return playbook.without(gone).put(kept), f"took in {others}", first.id


def _found(playbook: Playbook, id_: str) -> Bullet:
    bullet = playbook.get(id_)
    if bullet is None:
        raise _RefusedError("no bullet has that id")
    return bullet


def _text(text: str, patch: _Patch) -> str:
    try:
        clean = clean_text(text, min(patch.limits.characters, MAX_TEXT_CHARACTERS))
    except ValueError as error:
        raise _RefusedError(str(error)) from error
    if copied_gold(clean, patch.limits.golds, patch.limits.question) is not None:
        raise _RefusedError("it gives away the gold answer of a question")
    if not patch.person and only_repeats(clean):
        raise _RefusedError("it says the same few words over and over")
    return clean


def _check_twin(text: str, bullets: Sequence[Bullet], patch: _Patch) -> None:
    # Word for word the same is refused to a person too.
    threshold = math.inf if patch.person else patch.limits.similarity
    twin = twin_of(text, bullets, threshold)
    if twin is not None:
        raise _RefusedError(f"{twin.id} says the same ({twin.similarity:.0%} alike)", twin.id)


def _screen(text: str, patch: _Patch) -> None:
    flags = () if patch.person else screen(text)
    if flags:
        raise _HeldError("; ".join(flag.why for flag in flags))


def _fitting(bullet: Bullet, patch: _Patch) -> Bullet:
    budget = patch.limits.budget
    if budget is not None and not budget.fits(bullet):
        raise _RefusedError(f"it alone is over the budget of {budget.tokens:,} tokens")
    return bullet


def _within_budget(
    playbook: Playbook, budget: Budget | None, revision: int
) -> tuple[Playbook, list[Outcome]]:
    if budget is None:
        return playbook, []
    outcomes = []
    for bullet, usefulness in evictions(playbook, budget, revision):
        why = (
            f"evicted to keep within {budget.tokens:,} tokens: the least useful "
            f"({usefulness:+.2f}, helpful {bullet.helpful}, harmful {bullet.harmful})"
        )
        operation = Remove(bullet.id, "over the token budget")
        outcomes.append(Outcome(operation, "accepted", why, bullet.id, by="budget"))
    return playbook.without({outcome.id for outcome in outcomes}), outcomes
