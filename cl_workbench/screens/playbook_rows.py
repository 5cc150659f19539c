"""A playbook and its revisions as the plain values that its screen draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, get_args

from cl_workbench.commands.table import time_text
from engines.ace.bullet import Bullet, Source
from engines.ace.diff import Diff, diff
from engines.ace.operations import Add, Merge, Operation, Remove, Tag, Update
from engines.ace.outcome import Outcome
from engines.ace.playbook import Playbook
from engines.ace.revisions import History, Revision
from widgets.playbook_bullets import BulletFacts, BulletRow, Touch
from widgets.playbook_changes import (
    MAX_CHANGES,
    ChangeRow,
    OutcomeRow,
    RevisionFacts,
    RevisionRow,
)

Sort = Literal["section", "most helpful", "most harmful", "newest", "id"]
SORTS: tuple[Sort, ...] = get_args(Sort)
MAX_TOUCHES = 50
_KEPT = 8

_KEYS: dict[Sort, Callable[[Bullet], tuple[int | str, ...]]] = {
    "most helpful": lambda b: (-b.helpful, b.harmful, -b.number),
    "most harmful": lambda b: (-b.harmful, b.helpful, -b.number),
    "newest": lambda b: (-b.number,),
    "id": lambda b: (b.id.rpartition("-")[0], b.number),
}


def bullet_rows(playbook: Playbook, sort: Sort, wanted: str) -> list[BulletRow]:
    """The bullets with every word of ``wanted`` in id, section or text, in the order asked for."""
    words = wanted.casefold().split()
    bullets = playbook.bullets
    if words:
        bullets = tuple(b for b in bullets if _has(b, words))
    if sort != "section":
        bullets = tuple(sorted(bullets, key=_KEYS[sort]))
    return [BulletRow(b.id, b.section, b.text, b.helpful, b.harmful) for b in bullets]


def _has(bullet: Bullet, words: list[str]) -> bool:
    text = f"{bullet.id} {bullet.section} {bullet.text}".casefold()
    return all(word in text for word in words)


def bullet_facts(history: History, bullet: Bullet, titles: Mapping[str, str]) -> BulletFacts:
    """One bullet with everything that is known of it."""
    row = BulletRow(bullet.id, bullet.section, bullet.text, bullet.helpful, bullet.harmful)
    return BulletFacts(
        row,
        source_text(bullet.source, titles) or _maker(history, bullet),
        f"{time_text(bullet.created_at or None)}, revision {bullet.created}",
        f"{time_text(bullet.updated_at or None)}, revision {bullet.updated}",
        touches(history, bullet.id)[:MAX_TOUCHES],
    )


def _maker(history: History, bullet: Bullet) -> str:
    """Who made a bullet that came from no document."""
    if bullet.created >= history.next:
        return "not known"
    origin = history.revisions[bullet.created].origin
    return {"person": "written by a person", "import": "imported"}.get(origin, origin)


def touches(history: History, id_: str) -> tuple[Touch, ...]:
    """Every revision that changed the bullet ``id_``, the latest first.

    One walk over all revisions: what an undo or a revert did to it counts too.
    """
    states: list[Bullet | None] = []
    found: list[Touch] = []
    for revision in history.revisions:
        before = states[-1] if states else None
        after = _state(states, revision, id_)
        states.append(after)
        if after != before:
            found.append(_touch(revision, id_, before, after))
    return tuple(found[::-1])


def _state(states: list[Bullet | None], revision: Revision, id_: str) -> Bullet | None:
    """The bullet as ``revision`` left it."""
    start = revision.parent if revision.restores is None else revision.restores
    state = states[start] if start is not None else None
    for bullet in revision.put:
        if bullet.id == id_:
            state = bullet
    return None if id_ in revision.removed else state


def _touch(revision: Revision, id_: str, before: Bullet | None, after: Bullet | None) -> Touch:
    old, new = (before.text, after.text) if before and after else ("", "")
    return Touch(
        revision.number,
        time_text(revision.at),
        revision.origin,
        _done(revision, id_, before, after),
        old if old != new else "",
        new if old != new else "",
    )


def _done(revision: Revision, id_: str, before: Bullet | None, after: Bullet | None) -> str:
    if after is None:
        for outcome in revision.outcomes:
            if isinstance(outcome.operation, Merge) and id_ in outcome.operation.ids[1:]:
                return f"merged into {outcome.operation.ids[0]}"
        return "removed"
    if before is None:
        return "added" if after.created == revision.number else "brought back"
    done = [
        f"{name} {votes:+,}"
        for name, votes in (
            ("helpful", after.helpful - before.helpful),
            ("harmful", after.harmful - before.harmful),
        )
        if votes
    ]
    return ", ".join(["text changed"] * (after.text != before.text) + done) or "changed"


def source_text(source: Source, titles: Mapping[str, str]) -> str:
    """A source in words: document, question, loop; empty where none is known."""
    parts = []
    if source.document:
        # A document that is not in the ledger is known by its id alone, as while it is learned.
        parts.append(titles.get(source.document) or f"document {source.document[:12]}")
    if source.loop is not None:
        parts.append(f"loop {source.loop}")
    if source.question:
        parts.append(f"question: {source.question}")
    return ", ".join(parts)


def revision_row(revision: Revision, in_force: bool) -> RevisionRow:
    """One revision in counts."""
    added = sum(bullet.created == revision.number for bullet in revision.put)
    verdicts = [outcome.verdict for outcome in revision.outcomes]
    return RevisionRow(
        revision.number,
        time_text(revision.at),
        revision.origin,
        revision.note,
        revision.score,
        added,
        len(revision.put) - added,
        len(revision.removed),
        verdicts.count("held"),
        verdicts.count("refused"),
        in_force,
    )


class Versions:
    """The playbook at a few revisions, so that moving a cursor does not make each one anew."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Revision, Playbook]] = {}

    def at(self, history: History, number: int) -> Playbook:
        """The playbook as ``number`` left it."""
        revision = history.revision(number)
        if number == history.head.number:
            return history.playbook
        kept = self._kept.get(number)
        # Numbers are given anew in another playbook, or after a learning was cancelled.
        if kept is None or kept[0] is not revision:
            kept = (revision, history.playbook_at(number))
            self._kept.pop(number, None)
            self._kept[number] = kept
            while len(self._kept) > _KEPT:
                self._kept.pop(next(iter(self._kept)))
        return kept[1]


def revision_facts(
    history: History,
    number: int,
    other: int | None,
    versions: Versions,
    titles: Mapping[str, str],
) -> RevisionFacts:
    """What ``number`` changed, or what lies between it and ``other``, from old to new."""
    revision = history.revision(number)
    follows = other is None or other == number
    if follows:
        first, last = max(number - 1, 0), number
        title = f"Revision {number}: {revision.origin}"
    else:
        first, last = sorted((number, other if other is not None else number))
        title = f"From revision {first} to {last}"
    difference = diff(versions.at(history, first), versions.at(history, last))
    changes = change_rows(difference)
    return RevisionFacts(
        title,
        tuple(_about(history, revision, titles) if follows else _ends(history, first, last)),
        changes[:MAX_CHANGES],
        tuple(map(outcome_row, _unapplied(revision))) if follows else (),
        max(len(changes) - MAX_CHANGES, 0),
    )


def _about(history: History, revision: Revision, titles: Mapping[str, str]) -> list[str]:
    facts = [time_text(revision.at)]
    if revision.parent is not None:
        facts.append(f"made from revision {revision.parent}")
    if revision.restores is not None:
        facts.append(f"the playbook of revision {revision.restores}")
    if revision.score is not None:
        facts.append(f"validation score {revision.score:.0%}")
    lines = [", ".join(facts)]
    lines += [line for line in (revision.note, source_text(revision.source, titles)) if line]
    if revision.settles:
        count = len(revision.settles)
        lines.append(f"{count:,} held operation{'' if count == 1 else 's'} decided")
    return lines


def _ends(history: History, first: int, last: int) -> list[str]:
    old, new = history.revision(first), history.revision(last)
    return [f"{time_text(old.at)} to {time_text(new.at)}"]


def _unapplied(revision: Revision) -> list[Outcome]:
    return [outcome for outcome in revision.outcomes if outcome.verdict != "accepted"]


def change_rows(difference: Diff) -> tuple[ChangeRow, ...]:
    """A diff as rows: what came, what changed, what went."""
    came = [ChangeRow("added", b.id, b.section, "", b.text) for b in difference.added]
    changed = [
        ChangeRow(
            "changed", c.after.id, c.after.section, c.before.text, c.after.text,
            c.helpful, c.harmful,
        )
        for c in difference.changed
    ]  # fmt: skip
    went = [ChangeRow("removed", b.id, b.section, b.text, "") for b in difference.removed]
    return (*came, *changed, *went)


def outcome_row(outcome: Outcome) -> OutcomeRow:
    """One outcome in words."""
    operation = outcome.operation
    what = outcome.given if operation is None else operation_text(operation)
    return OutcomeRow(outcome.verdict, what, outcome.why)


def operation_text(operation: Operation) -> str:
    """An operation on one line."""
    match operation:
        case Add():
            return f"ADD {operation.section}: {operation.text}"
        case Update():
            return f"UPDATE {operation.id}: {operation.text}"
        case Merge():
            return f"MERGE {', '.join(operation.ids)}: {operation.text}"
        case Tag():
            return f"TAG {operation.id}: {operation.tag}"
        case Remove():
            return f"REMOVE {operation.id}"
