"""Operations as a model wrote them: whatever came, read as far as it can be meant."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from engines.ace.operations import (
    MAX_MERGED,
    MAX_REASON_CHARACTERS,
    VOTES,
    Add,
    Merge,
    Operation,
    Remove,
    Tag,
    Update,
    Vote,
)
from engines.ace.sections import MAX_ID_CHARACTERS, OTHER

MAX_OPERATIONS = 64
_GIVEN_CHARACTERS = 160

_TEXT = ("text", "content", "rule", "new_text")
_ID = ("id", "bullet_id", "strategy_id")
_IDS = ("ids", "bullet_ids")
_TYPE = ("type", "op", "operation", "action")
_ALSO = {"DELETE": "REMOVE", "EDIT": "UPDATE", "MODIFY": "UPDATE", "VOTE": "TAG"}
_SHORT_FORM = ("add", "update", "merge", "tag", "remove")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that is no operation: ``given`` shows it shortened, ``why`` is one sentence."""

    given: str
    why: str


class _UnusableError(Exception):
    """Why one operation can't be read; caught below."""


def read_operations(value: object) -> tuple[Operation | Unreadable, ...]:
    """The operations in what a Curator wrote, in order, with those that can't be read between.

    Understood are ``{"operations": [...]}``, the list alone, and the short form
    ``{"add": [text, ...], "update": [...], "remove": [id, ...]}``.  A text where a list belongs
    is never taken apart.  Unknown keys are passed over; nothing is raised for any value.
    """
    rows = list(_rows(value, MAX_OPERATIONS + 1))
    read = [row if isinstance(row, Unreadable) else _read(row) for row in rows[:MAX_OPERATIONS]]
    if len(rows) > MAX_OPERATIONS:
        why = f"a patch has at most {MAX_OPERATIONS} operations; those after were left out"
        read.append(Unreadable("…", why))
    return tuple(read)


def shown(value: object) -> str:
    """``value`` shortened to one printable line, whatever it is."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = _GIVEN_CHARACTERS
    short.maxlevel = 3
    try:
        text = short.repr(value)
    except Exception:  # the value's own repr, or a number with too many digits
        text = f"<{type(value).__name__}>"
    return "".join(c if c.isprintable() else "\ufffd" for c in text)[:_GIVEN_CHARACTERS]


def _rows(value: object, most: int) -> Iterator[object]:
    if isinstance(value, Mapping):
        if "operations" in value:
            yield from _listed("operations", value["operations"], most)
        elif any(key in value for key in _SHORT_FORM):
            for key in _SHORT_FORM:
                yield from _short_form(key, value.get(key), most)
        elif any(key in value for key in _TYPE):
            yield value
        else:
            yield Unreadable(shown(value), "it has no list of operations")
    else:
        yield from _listed("operations", value, most)


def _listed(name: str, value: object, most: int) -> Iterator[object]:
    if isinstance(value, list | tuple):
        yield from value[:most]
    elif value is not None or name == "operations":
        yield Unreadable(shown(value), f"'{name}' must be a list")


def _short_form(key: str, value: object, most: int) -> Iterator[object]:
    for item in _listed(key, value, most):
        if isinstance(item, Unreadable):
            yield item
        elif isinstance(item, Mapping):
            yield {**item, "type": key}
        elif key == "add":
            yield {"type": key, "text": item}
        else:
            yield {"type": key, "id": item}


def _read(row: object) -> Operation | Unreadable:
    if not isinstance(row, Mapping):
        return Unreadable(shown(row), "an operation must be an object with a type")
    try:
        return _operation(row)
    except _UnusableError as unusable:
        return Unreadable(shown(dict(row)), str(unusable))


def _operation(row: Mapping[Any, Any]) -> Operation:
    given = _string(row, _TYPE, "type").upper()[:16]
    reason = _reason(row)
    match _ALSO.get(given, given):
        case "ADD":
            section = _string(row, ("section",), "section") if row.get("section") else OTHER
            return Add(section, _string(row, _TEXT, "text"), reason)
        case "UPDATE":
            return Update(_id(row), _string(row, _TEXT, "text"), reason)
        case "MERGE":
            return Merge(_merged(row), _string(row, _TEXT, "text"), reason)
        case "TAG":
            return Tag(_id(row), _vote(row), reason)
        case "REMOVE":
            return Remove(_id(row), reason)
    raise _UnusableError("its type must be ADD, UPDATE, MERGE, TAG or REMOVE")


def _string(row: Mapping[Any, Any], names: tuple[str, ...], what: str) -> str:
    value = next((row[name] for name in names if name in row), None)
    if not isinstance(value, str):
        raise _UnusableError(f"its {what} must be a text" if value is not None else f"no {what}")
    return value


def _id(row: Mapping[Any, Any]) -> str:
    return _plain_id(next((row[name] for name in _ID if name in row), None))


def _plain_id(value: object) -> str:
    """An id as it is, though a model wrote it in brackets or capitals."""
    if not isinstance(value, str):
        raise _UnusableError("its id must be a text")
    if len(value) > 2 * MAX_ID_CHARACTERS:
        raise _UnusableError("its id is too long")
    return value.strip().strip("[]").strip().lower()[: 2 * MAX_ID_CHARACTERS]


def _merged(row: Mapping[Any, Any]) -> tuple[str, ...]:
    value = next((row[name] for name in _IDS if name in row), None)
    if not isinstance(value, list | tuple):
        raise _UnusableError("its ids must be a list")
    if len(value) > MAX_MERGED:
        raise _UnusableError(f"at most {MAX_MERGED} bullets are merged at once")
    return tuple(dict.fromkeys(_plain_id(id_) for id_ in value))


def _vote(row: Mapping[Any, Any]) -> Vote:
    tag = row.get("tag")
    if isinstance(tag, str) and tag.strip().lower() in VOTES:
        return cast(Vote, tag.strip().lower())
    raise _UnusableError("its tag must be helpful, harmful or neutral")


def _reason(row: Mapping[Any, Any]) -> str:
    reason = row.get("reason")
    if not isinstance(reason, str):
        return ""
    line = " ".join(reason[: 4 * MAX_REASON_CHARACTERS].split())
    return "".join(c if c.isprintable() else "\ufffd" for c in line)[:MAX_REASON_CHARACTERS]
