"""A history as plain JSON values, and back with every value checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from engines.ace.bullet import (
    MAX_DOCUMENT_CHARACTERS,
    MAX_QUESTION_CHARACTERS,
    NO_SOURCE,
    Bullet,
    PastText,
    Source,
    check_bullet,
)
from engines.ace.operations import from_json
from engines.ace.outcome import Outcome
from engines.ace.playbook import MAX_BULLETS, Playbook
from engines.ace.revisions import MAX_NOTE_CHARACTERS, ORIGINS, History, Revision, playbook_of
from engines.ace.sections import MAX_SECTIONS, id_parts

_AT_CHARACTERS = 40
_LINE_CHARACTERS = 4000
_VERDICTS = ("accepted", "refused", "held")
_STANDING_FOR = ("undo", "redo", "revert", "branch")


def bullet_row(bullet: Bullet) -> dict[str, Any]:
    """A bullet as plain values."""
    row: dict[str, Any] = {
        "id": bullet.id,
        "section": bullet.section,
        "text": bullet.text,
        "helpful": bullet.helpful,
        "harmful": bullet.harmful,
        "created": bullet.created,
        "created_at": bullet.created_at,
        "updated": bullet.updated,
        "updated_at": bullet.updated_at,
    }
    if bullet.source != NO_SOURCE:
        row["source"] = _source_row(bullet.source)
    if bullet.past:
        row["past"] = [
            {"id": past.id, "text": past.text, "revision": past.revision} for past in bullet.past
        ]
    return row


def revision_row(revision: Revision) -> dict[str, Any]:
    """A revision as plain values, without what is as usual."""
    row: dict[str, Any] = {
        "number": revision.number,
        "parent": revision.parent,
        "at": revision.at,
        "origin": revision.origin,
        "note": revision.note,
        "score": revision.score,
        "source": _source_row(revision.source),
        "restores": revision.restores,
        "settles": [list(place) for place in revision.settles],
        "outcomes": [_outcome_row(outcome) for outcome in revision.outcomes],
        "put": [bullet_row(bullet) for bullet in revision.put],
        "removed": list(revision.removed),
    }
    kept = ("number", "parent", "at", "origin")
    return {key: value for key, value in row.items() if key in kept or value not in _USUAL}


_USUAL: tuple[Any, ...] = (None, "", [], {})


def history_of(rows: Any) -> History:
    """The history that ``revision_row`` made ``rows`` of.

    Raises:
        KeyError, TypeError, ValueError: if anything is missing, unknown, wrong or does not fit.
    """
    revisions: list[Revision] = []
    for row in _list(rows):
        revision = _revision(dict(row))
        _check_order(revision, revisions)
        revisions.append(revision)
    if not revisions:
        raise ValueError("there is no revision")
    kept = tuple(revisions)
    _check_numbers(kept)
    next_number = 1 + max((b.number for r in kept for b in r.put), default=0)
    playbook = playbook_of(kept, kept[-1], next_number)
    _check_playbook(playbook)
    return History(kept, playbook)


def _check_order(revision: Revision, before: list[Revision]) -> None:
    """A revision comes from an earlier one, the first from none; so there are no cycles."""
    number = len(before)
    if revision.number != number:
        raise ValueError(f"revision {number} has another number")
    if (revision.parent is None) != (number == 0):
        raise ValueError(f"revision {number} has a wrong parent")
    if (revision.origin == "start") != (number == 0) or (number == 0 and revision.put):
        raise ValueError(f"revision {number} begins something else")
    stands = revision.origin in _STANDING_FOR
    if stands != (revision.restores is not None) or (stands and (revision.put or revision.removed)):
        raise ValueError(f"revision {number} restores something else")
    for earlier in (revision.parent, revision.restores):
        if earlier is not None and not 0 <= earlier < number:
            raise ValueError(f"revision {number} comes from a later one")
    for of, place in revision.settles:
        if not 0 <= of < number or not 0 <= place < len(before[of].outcomes):
            raise ValueError(f"revision {number} settles what is not there")


def _check_numbers(revisions: tuple[Revision, ...]) -> None:
    """No number was ever given to two ids."""
    ids: dict[int, str] = {}
    for bullet in (bullet for revision in revisions for bullet in revision.put):
        if ids.setdefault(bullet.number, bullet.id) != bullet.id:
            raise ValueError(f"two bullets have the number of {bullet.id}")


def _check_playbook(playbook: Playbook) -> None:
    if len(playbook.bullets) > MAX_BULLETS or len(playbook.sections) > MAX_SECTIONS:
        raise ValueError("the playbook is too large")


def _revision(row: dict[str, Any]) -> Revision:
    put = tuple(_bullet(dict(bullet)) for bullet in _list(row.pop("put", [])))
    if len({bullet.number for bullet in put}) < len(put):
        raise ValueError("a bullet is there twice")
    revision = Revision(
        _count(row.pop("number")),
        None if (parent := row.pop("parent")) is None else _count(parent),
        _time(row.pop("at")),
        _one_of(row.pop("origin"), ORIGINS),
        tuple(_outcome(dict(outcome)) for outcome in _list(row.pop("outcomes", []))),
        _line(row.pop("note", ""), MAX_NOTE_CHARACTERS),
        _score(row.pop("score", None)),
        _source(row.pop("source", {})),
        None if (restores := row.pop("restores", None)) is None else _count(restores),
        tuple(_places(row.pop("settles", []))),
        put,
        tuple(_known_id(id_) for id_ in _list(row.pop("removed", []))),
    )
    _nothing_left(row)
    return revision


def _bullet(row: dict[str, Any]) -> Bullet:
    bullet = Bullet(
        _line(row.pop("id"), _LINE_CHARACTERS),
        _line(row.pop("section"), _LINE_CHARACTERS),
        _line(row.pop("text"), _LINE_CHARACTERS),
        _count(row.pop("helpful")),
        _count(row.pop("harmful")),
        _source(row.pop("source", {})),
        _count(row.pop("created")),
        _time(row.pop("created_at")),
        _count(row.pop("updated")),
        _time(row.pop("updated_at")),
        tuple(_past(dict(past)) for past in _list(row.pop("past", []))),
    )
    _nothing_left(row)
    check_bullet(bullet)
    return bullet


def _past(row: dict[str, Any]) -> PastText:
    past = PastText(
        _known_id(row.pop("id")),
        _line(row.pop("text"), _LINE_CHARACTERS),
        _count(row.pop("revision")),
    )
    _nothing_left(row)
    return past


def _outcome_row(outcome: Outcome) -> dict[str, Any]:
    row: dict[str, Any] = {
        "operation": outcome.operation.to_json() if outcome.operation else None,
        "verdict": outcome.verdict,
        "why": outcome.why,
        "id": outcome.id,
        "twin": outcome.twin,
        "given": outcome.given,
        "by": outcome.by,
    }
    return {key: value for key, value in row.items() if value}


def _outcome(row: dict[str, Any]) -> Outcome:
    operation = row.pop("operation", None)
    outcome = Outcome(
        None if operation is None else from_json(operation),
        _one_of(row.pop("verdict"), _VERDICTS),
        _line(row.pop("why"), _LINE_CHARACTERS),
        _line(row.pop("id", ""), _LINE_CHARACTERS),
        _line(row.pop("twin", ""), _LINE_CHARACTERS),
        _line(row.pop("given", ""), _LINE_CHARACTERS),
        _one_of(row.pop("by", ""), ("", "budget")),
    )
    _nothing_left(row)
    return outcome


def _source_row(source: Source) -> dict[str, Any]:
    row = {"document": source.document, "question": source.question, "loop": source.loop}
    return {key: value for key, value in row.items() if value is not None}


def _source(row: Any) -> Source:
    row = dict(row)
    document, question = row.pop("document", None), row.pop("question", None)
    loop = row.pop("loop", None)
    _nothing_left(row)
    return Source(
        None if document is None else _line(document, MAX_DOCUMENT_CHARACTERS),
        None if question is None else _line(question, MAX_QUESTION_CHARACTERS),
        None if loop is None else _count(loop),
    )


def _places(rows: Any) -> Iterator[tuple[int, int]]:
    for row in _list(rows):
        revision, place = _list(row)
        yield _count(revision), _count(place)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"a list was expected, not {type(value).__name__}")
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError("a whole number was expected")
    return value


def _score(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise ValueError("a score is from 0 to 1")
    return float(value)


def _line(value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("a short text was expected")
    value.encode("utf-8")  # a lone surrogate is no text
    return value


def _time(value: Any) -> str:
    text = _line(value, _AT_CHARACTERS)
    datetime.fromisoformat(text)
    return text


def _known_id(value: Any) -> str:
    text = _line(value, _LINE_CHARACTERS)
    if id_parts(text) is None:
        raise ValueError("a bullet's id was expected")
    return text


def _one_of(value: Any, choices: tuple[Any, ...]) -> Any:
    if not isinstance(value, str) or value not in choices:
        raise ValueError("a known word was expected")
    return value


def _nothing_left(row: Mapping[str, Any]) -> None:
    if row:
        raise KeyError("there is an unknown field")
