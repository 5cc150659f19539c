"""Schemas that an answer can be held to, by a server's grammar and by ours alike.

Without a bound on every text, list and number a small model writes until it is cut off,
so a schema without one is refused before anything is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engines.language_models.protocol import Request, Schema
from engines.protocol import Turn

_COMBINED = ("anyOf", "oneOf", "allOf")
_ELSEWHERE = ("$ref", "$dynamicRef", "patternProperties", "if", "not", "unevaluatedProperties")


class UnboundedSchemaError(ValueError):
    """A schema allows answers without an end; the message names every such place."""


def bounded(schema: Schema) -> Schema:
    """``schema`` itself, if every value in it has a greatest length.

    A string needs ``maxLength``, an array ``maxItems``, an object ``properties`` and
    ``"additionalProperties": false``, an integer ``minimum`` and ``maximum``, unless an
    ``enum`` or a ``const`` lists what may stand there.  Write references out; for a number
    with a fraction take an integer of a smaller unit.

    Raises:
        UnboundedSchemaError: with each place and what it lacks.
    """
    faults = [*_faults(schema, "$")]
    if faults:
        raise UnboundedSchemaError("The schema has no end: " + "; ".join(faults) + ".")
    return schema


def _faults(schema: Any, place: str) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        yield f"{place} is no schema of its own"
        return
    for word in _ELSEWHERE:
        if word in schema:
            yield f"{place} uses {word}, which is not bounded here"
    if "enum" in schema or "const" in schema:
        return
    combined = [word for word in _COMBINED if word in schema]
    for word in combined:
        for number, option in enumerate(schema[word]):
            yield from _faults(option, f"{place}.{word}[{number}]")
    if combined and "type" not in schema:
        return
    kind = schema.get("type")
    if not isinstance(kind, str):
        yield f"{place} needs one type"
        return
    yield from _kind_faults(kind, schema, place)


def _kind_faults(kind: str, schema: Schema, place: str) -> Iterator[str]:
    if kind == "string" and not _is_count(schema.get("maxLength")):
        yield f"{place} needs maxLength"
    elif kind == "array":
        if not _is_count(schema.get("maxItems")):
            yield f"{place} needs maxItems"
        yield from _faults(schema.get("items"), f"{place}[]")
    elif kind == "object":
        if schema.get("additionalProperties") is not False:
            yield f"{place} needs additionalProperties: false"
        for name, part in schema.get("properties", {}).items():
            yield from _faults(part, f"{place}.{name}")
    elif kind == "integer":
        if not all(isinstance(schema.get(word), int) for word in ("minimum", "maximum")):
            yield f"{place} needs minimum and maximum"
    elif kind == "number":
        yield f"{place} is a number of any length: take an integer"
    elif kind not in {"string", "boolean", "null"}:
        yield f"{place} has the unknown type {kind}"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def shown_turns(request: Request) -> tuple[Turn, ...]:
    """The turns as they are sent: with a schema, the last one asks for JSON that fits it.

    A server that holds an answer to a schema does not show it to the model, and one that
    knows no schemas has nothing else to go by.
    """
    if request.schema is None or not request.turns:
        return request.turns
    wanted = json.dumps(request.schema, ensure_ascii=False)
    last = request.turns[-1]
    text = f"{last.content}\n\nAnswer with one JSON object that fits this schema:\n{wanted}"
    return (*request.turns[:-1], Turn(last.role, text))


def messages(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """``turns`` as every server takes them; half a character becomes a question mark."""
    return [
        {"role": turn.role, "content": turn.content.encode("utf-8", "replace").decode("utf-8")}
        for turn in turns
    ]
