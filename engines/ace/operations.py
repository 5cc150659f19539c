"""The operations that change a playbook, and how they are written as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from engines.ace.bullet import MAX_COUNT, MAX_TEXT_CHARACTERS
from engines.ace.sections import MAX_ID_CHARACTERS, MAX_SECTION_CHARACTERS

Vote = Literal["helpful", "harmful", "neutral"]
VOTES: tuple[Vote, ...] = get_args(Vote)
MAX_REASON_CHARACTERS = 300
MAX_MERGED = 8


class _Written:
    __slots__ = ()
    TYPE: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """The operation as plain values, without what is as usual."""
        row: dict[str, Any] = {"type": self.TYPE}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value != field.default:
                row[field.name] = list(value) if isinstance(value, tuple) else value
        return row


@dataclass(frozen=True, slots=True)
class Add(_Written):
    """A new bullet.  A role never sets the counters and the ``id``; an import may."""

    TYPE: ClassVar[str] = "ADD"
    section: str
    text: str
    reason: str = ""
    helpful: int = 0
    harmful: int = 0
    id: str = ""


@dataclass(frozen=True, slots=True)
class Update(_Written):
    """Another text for a bullet, which keeps its id and counters."""

    TYPE: ClassVar[str] = "UPDATE"
    id: str
    text: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Merge(_Written):
    """One text for several bullets: the first keeps its id and gets the others' counters."""

    TYPE: ClassVar[str] = "MERGE"
    ids: tuple[str, ...]
    text: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tag(_Written):
    """One vote: a bullet was helpful, harmful, or made no difference."""

    TYPE: ClassVar[str] = "TAG"
    id: str
    tag: Vote
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Remove(_Written):
    """A bullet less."""

    TYPE: ClassVar[str] = "REMOVE"
    id: str
    reason: str = ""


Operation: TypeAlias = Add | Update | Merge | Tag | Remove
KINDS: dict[str, type[Operation]] = {kind.TYPE: kind for kind in (Add, Update, Merge, Tag, Remove)}

_MOST = {
    "id": MAX_ID_CHARACTERS * 2,
    "section": MAX_SECTION_CHARACTERS * 4,
    "text": MAX_TEXT_CHARACTERS * 8,
    "reason": MAX_REASON_CHARACTERS,
}


def from_json(row: Mapping[str, Any]) -> Operation:
    """The operation that ``to_json`` made ``row`` of.

    Raises:
        KeyError, TypeError, ValueError: if a field is missing, unknown or wrong.
    """
    values = dict(row)
    kind = KINDS[values.pop("type")]
    for name, value in values.items():
        if name == "ids":
            values[name] = _ids(value)
        elif name in {"helpful", "harmful"}:
            _check_count(name, value)
        elif name == "tag":
            if value not in VOTES:
                raise ValueError("a tag is helpful, harmful or neutral")
        elif not isinstance(value, str) or len(value) > _MOST.get(name, 0):
            raise ValueError(f"the {name} is no text, or too long")
        else:
            value.encode("utf-8")  # a lone surrogate is no text
    return kind(**values)


def _ids(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_MERGED:
        raise TypeError("ids is not a short list")
    if not all(isinstance(id_, str) and len(id_) <= _MOST["id"] for id_ in value):
        raise TypeError("ids holds something else")
    "".join(value).encode("utf-8")
    return tuple(value)


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise ValueError(f"{name} is wrong")
