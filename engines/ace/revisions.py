"""The history of a playbook: every change a revision, none ever lost.

Revisions are only appended; the last one is the present.  Undo and redo append too: an undo is
a revision that stands for an earlier one, so the log says what was undone and when.  A revision
holds what it changed, whole bullets, against its parent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, get_args

from engines.ace.bullet import NO_SOURCE, Bullet, Source, now
from engines.ace.diff import diff
from engines.ace.outcome import Outcome
from engines.ace.playbook import Playbook, PlaybookError

Origin = Literal[
    "start",
    "curator",
    "reflector",
    "person",
    "import",
    "budget",
    "undo",
    "redo",
    "revert",
    "branch",
]
ORIGINS: tuple[Origin, ...] = get_args(Origin)
MAX_NOTE_CHARACTERS = 300
_STANDING_FOR = frozenset({"undo", "redo", "branch"})

Place: TypeAlias = tuple[int, int]
"""Where a held operation is: the number of a revision, and its place in the outcomes."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One change.

    ``parent`` is the revision it was made from, None for the first.  ``restores`` is the one
    whose content it has; then ``put`` and ``removed`` are empty.  Else ``put`` holds each
    bullet that was added or changed, as it is after, and ``removed`` the ids that went.
    ``settles`` names the held operations that a person decided on.  ``score`` is that of a
    validation (0..1), None where there was none.
    """

    number: int
    parent: int | None
    at: str
    origin: Origin
    outcomes: tuple[Outcome, ...] = ()
    note: str = ""
    score: float | None = None
    source: Source = NO_SOURCE
    restores: int | None = None
    settles: tuple[Place, ...] = ()
    put: tuple[Bullet, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def is_silent(self) -> bool:
        """Whether it is in the log alone: nothing changed and nothing waits because of it."""
        held = any(outcome.verdict == "held" for outcome in self.outcomes)
        return not (self.put or self.removed or self.settles or held) and self.restores is None


@dataclass(frozen=True, slots=True)
class History:
    """All revisions by number, and the ``playbook`` that the last one made."""

    revisions: tuple[Revision, ...]
    playbook: Playbook = field(compare=False)

    @classmethod
    def start(cls, *, at: str | None = None, note: str = "") -> History:
        """A history that begins with an empty playbook."""
        first = Revision(0, None, at or now(), "start", note=note[:MAX_NOTE_CHARACTERS])
        return cls((first,), Playbook())

    @property
    def head(self) -> Revision:
        """The latest revision."""
        return self.revisions[-1]

    @property
    def next(self) -> int:
        """The number that the next revision gets."""
        return len(self.revisions)

    def revision(self, number: int) -> Revision:
        """The revision of that number.  Raises ``PlaybookError`` if there is none."""
        if 0 <= number < len(self.revisions):
            return self.revisions[number]
        raise PlaybookError(
            f"There is no revision {number}: choose one from 0 to {len(self.revisions) - 1}."
        )

    def playbook_at(self, number: int) -> Playbook:
        """The playbook as revision ``number`` left it."""
        return playbook_of(self.revisions, self.revision(number), self.playbook.next_number)


def playbook_of(
    revisions: tuple[Revision, ...], revision: Revision, next_number: int = 1
) -> Playbook:
    """The content of ``revision``, put together from what it and those before it changed."""
    chain: list[Revision] = []
    place: int | None = revision.number
    while place is not None:
        found = revisions[place]
        if found.restores is not None:
            place = found.restores
        else:
            chain.append(found)
            place = found.parent
    bullets: dict[str, Bullet] = {}
    for found in reversed(chain):
        bullets.update({bullet.id: bullet for bullet in found.put})
        for id_ in found.removed:
            bullets.pop(id_, None)
    return Playbook.of(bullets.values(), next_number)


def commit(
    history: History,
    playbook: Playbook,
    origin: Origin,
    outcomes: tuple[Outcome, ...] = (),
    *,
    at: str | None = None,
    note: str = "",
    score: float | None = None,
    source: Source | None = None,
    settles: tuple[Place, ...] = (),
) -> History:
    """``history`` with a revision that leads from its playbook to ``playbook``."""
    difference = diff(history.playbook, playbook)
    revision = Revision(
        history.next,
        history.head.number,
        at or now(),
        origin,
        outcomes,
        note[:MAX_NOTE_CHARACTERS],
        score,
        source or NO_SOURCE,
        None,
        settles,
        (*difference.added, *(changed.after for changed in difference.changed)),
        tuple(bullet.id for bullet in difference.removed),
    )
    return _appended(history, revision, playbook)


def meant(history: History, number: int) -> Revision:
    """The revision that ``number`` stands for: itself, or what an undo or redo went to."""
    revision = history.revision(number)
    while revision.origin in _STANDING_FOR and revision.restores is not None:
        revision = history.revisions[revision.restores]
    return revision


def path(history: History, number: int | None = None) -> Iterator[Revision]:
    """The revisions that led to ``number`` (the latest), newest first, without what was undone."""
    revision = meant(history, history.head.number if number is None else number)
    yield revision
    while revision.parent is not None:
        revision = meant(history, revision.parent)
        yield revision


def undoable(history: History) -> Revision | None:
    """The change that ``undo`` would take back, None if there is none."""
    changes = (r for r in path(history) if r.parent is not None and not r.is_silent)
    return next(changes, None)


def redoable(history: History) -> Revision | None:
    """The revision that ``redo`` would go to, None if there is none."""
    undone: list[int] = []
    first = len(history.revisions)
    while first > 0 and _is_no_change(history.revisions[first - 1]):
        first -= 1
    for revision in history.revisions[first:]:
        if revision.origin == "undo":
            undone.append(meant(history, revision.number - 1).number)
        elif undone and revision.origin == "redo":
            undone.pop()
    return history.revisions[undone[-1]] if undone else None


def _is_no_change(revision: Revision) -> bool:
    return revision.origin in {"undo", "redo"} or revision.is_silent


def undo(history: History, *, at: str | None = None, note: str = "") -> History:
    """Take the last change back; what it was stays in the log.

    Raises:
        PlaybookError: if there is nothing to undo.
    """
    change = undoable(history)
    if change is None or change.parent is None:
        raise PlaybookError("There is nothing to undo: this is how the playbook began.")
    target = meant(history, change.parent)
    return _restored(history, target, "undo", at, note or f"undid revision {change.number}")


def redo(history: History, *, at: str | None = None, note: str = "") -> History:
    """Take the last undo back.

    Raises:
        PlaybookError: if the last change was not an undo.
    """
    target = redoable(history)
    if target is None:
        raise PlaybookError("There is nothing to redo: only an undo, with no change since, can be.")
    return _restored(history, target, "redo", at, note or f"redid revision {target.number}")


def revert(history: History, number: int, *, at: str | None = None, note: str = "") -> History:
    """Make the playbook what it was at revision ``number``, as a change on top of the others.

    Raises:
        PlaybookError: if there is no such revision, or the playbook is that already.
    """
    target = history.revision(number)
    if history.playbook_at(number) == history.playbook:
        raise PlaybookError(f"The playbook is what it was at revision {number} already.")
    return _restored(history, target, "revert", at, note or f"went back to revision {number}")


def branch(history: History, number: int, *, at: str | None = None, note: str = "") -> History:
    """Go on from revision ``number`` as if what came after had not been; that stays in the log.

    Unlike after ``revert``, the next undo goes to what was before ``number``.

    Raises:
        PlaybookError: if there is no such revision.
    """
    target = history.revision(number)
    note = note or f"went on from revision {number}"
    branched = _restored(history, meant(history, number), "branch", at, note)
    last = replace(branched.head, parent=target.number)
    return History((*branched.revisions[:-1], last), branched.playbook)


def scored(history: History, number: int, score: float) -> History:
    """``history`` with the validation score (0..1) of revision ``number`` written down."""
    revision = history.revision(number)
    if not 0.0 <= score <= 1.0:
        raise PlaybookError(f"A score is from 0 to 1, not {score}.")
    revisions = list(history.revisions)
    revisions[number] = replace(revision, score=float(score))
    return History(tuple(revisions), history.playbook)


def _restored(
    history: History, target: Revision, origin: Origin, at: str | None, note: str
) -> History:
    revision = Revision(
        history.next,
        history.head.number,
        at or now(),
        origin,
        note=note[:MAX_NOTE_CHARACTERS],
        restores=target.number,
    )
    return _appended(history, revision, history.playbook_at(target.number))


def _appended(history: History, revision: Revision, playbook: Playbook) -> History:
    used = max(history.playbook.next_number, playbook.next_number)
    return History((*history.revisions, revision), replace(playbook, next_number=used))
