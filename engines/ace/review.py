"""Patches that come to a playbook: applied at once or held, and what a person says to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Literal

from engines.ace.applying import apply
from engines.ace.bullet import Source, now
from engines.ace.limits import Limits
from engines.ace.operations import Operation, Tag
from engines.ace.outcome import Outcome
from engines.ace.playbook import PlaybookError
from engines.ace.reading import Unreadable
from engines.ace.revisions import History, Origin, Place, commit, path

Review = Literal["auto", "hold"]


@dataclass(frozen=True, slots=True)
class Offered:
    """The history with a patch in it, and what came of each operation."""

    history: History
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """A held operation; ``place`` names it for ``settle``."""

    place: Place
    operation: Operation
    why: str
    source: Source
    origin: Origin
    at: str


def offer(
    history: History,
    operations: Sequence[Operation | Unreadable],
    limits: Limits | None = None,
    *,
    origin: Origin = "curator",
    review: Review = "auto",
    source: Source | None = None,
    at: str | None = None,
    note: str = "",
) -> Offered:
    """Apply a patch to ``history`` as one revision, with what was refused and held in its log.

    With ``"hold"`` nothing is applied before ``settle``.  What a ``"person"`` writes is neither
    held nor flagged.  A patch without operations leaves the history as it is, and is fine.
    """
    applied = apply(
        history.playbook,
        operations,
        limits,
        revision=history.next,
        at=(at := at or now()),
        source=source,
        person=origin == "person",
        hold=review == "hold" and origin != "person",
    )
    outcomes = _each_once(history, applied.outcomes)
    if not outcomes:
        return Offered(history, ())
    changed = commit(history, applied.playbook, origin, outcomes, at=at, note=note, source=source)
    return Offered(changed, outcomes)


def _each_once(history: History, outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """``outcomes`` where nothing is held that waits already, as each loop may offer it anew."""
    if not any(outcome.verdict == "held" for outcome in outcomes):
        return outcomes
    waiting = [_essence(held.operation) for held in pending(history)]
    return tuple(
        replace(outcome, verdict="refused", why="the same waits for review already")
        if outcome.verdict == "held" and _essence(outcome.operation) in waiting
        else outcome
        for outcome in outcomes
    )


def _essence(operation: Operation | None) -> object:
    """What makes two operations the same; a vote is never the same as another."""
    if operation is None or isinstance(operation, Tag):
        return object()
    row = operation.to_json() | {"reason": ""}
    return {k: " ".join(v.split()).casefold() if isinstance(v, str) else v for k, v in row.items()}


def offer_each(
    history: History,
    operations: Iterable[tuple[Operation, Source]],
    limits: Limits | None = None,
    *,
    origin: Origin,
    at: str | None = None,
    note: str = "",
) -> Offered:
    """Like ``offer`` for operations that have each a source of their own, as one revision."""
    at = at or now()
    playbook, outcomes = history.playbook, list[Outcome]()
    person = origin == "person"
    for source, together in groupby(operations, key=itemgetter(1)):
        applied = apply(
            playbook,
            [operation for operation, _ in together],
            limits,
            revision=history.next,
            at=at,
            source=source,
            person=person,
        )
        playbook = applied.playbook
        outcomes += applied.outcomes
    if not outcomes:
        return Offered(history, ())
    changed = commit(history, playbook, origin, tuple(outcomes), at=at, note=note)
    return Offered(changed, tuple(outcomes))


def pending(history: History) -> tuple[Pending, ...]:
    """The operations that wait for a person, oldest first.

    Undoing the revision that held them takes them away, undoing the one that settled them
    brings them back.
    """
    settled: set[Place] = set()
    found: list[Pending] = []
    for revision in path(history):
        settled.update(revision.settles)
        for place in reversed(range(len(revision.outcomes))):
            outcome = revision.outcomes[place]
            where = (revision.number, place)
            if outcome.verdict == "held" and outcome.operation and where not in settled:
                found.append(
                    Pending(
                        where,
                        outcome.operation,
                        outcome.why,
                        revision.source,
                        revision.origin,
                        revision.at,
                    )
                )
    return tuple(reversed(found))


def settle(
    history: History,
    accept: Mapping[Place, Operation | None],
    reject: Collection[Place] = (),
    limits: Limits | None = None,
    *,
    at: str | None = None,
    note: str = "",
) -> Offered:
    """Decide on held operations, as one revision of the person's.

    ``accept`` maps a place to the operation as the person edited it, None for as it is.  One
    that can't be applied (its bullet is gone, its text is empty) is refused and goes on waiting.

    Raises:
        PlaybookError: if nothing waits at one of the places.
    """
    at = at or now()
    waiting = {held.place: held for held in pending(history)}
    for place in (*accept, *reject):
        if place not in waiting:
            raise PlaybookError("That operation does not wait any more: look at the list again.")
    playbook, outcomes, settled = history.playbook, list[Outcome](), list[Place]()
    for place in sorted({*accept, *reject}):
        operation = accept.get(place) or waiting[place].operation
        if place in reject:
            outcomes.append(Outcome(operation, "refused", "rejected by a person"))
            settled.append(place)
            continue
        applied = apply(
            playbook,
            [operation],
            limits,
            revision=history.next,
            at=at,
            source=waiting[place].source,
            person=True,
        )
        playbook = applied.playbook
        outcomes += applied.outcomes
        if applied.outcomes[0].verdict == "accepted":
            settled.append(place)
    if not outcomes:
        return Offered(history, ())
    changed = commit(
        history, playbook, "person", tuple(outcomes), at=at, note=note, settles=tuple(settled)
    )
    return Offered(changed, tuple(outcomes))


def enforce(history: History, limits: Limits, *, at: str | None = None) -> Offered:
    """Evict what is over a budget that was lowered, as a revision of its own."""
    at = at or now()
    applied = apply(history.playbook, (), limits, revision=history.next, at=at)
    if not applied.outcomes:
        return Offered(history, ())
    changed = commit(history, applied.playbook, "budget", applied.outcomes, at=at)
    return Offered(changed, applied.outcomes)
