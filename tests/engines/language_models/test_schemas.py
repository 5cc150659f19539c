"""A schema without an end is refused, with every place that lacks one."""

from __future__ import annotations

import pytest

from engines.language_models.protocol import Request
from engines.language_models.schemas import UnboundedSchemaError, bounded, messages, shown_turns
from engines.protocol import Turn

TEXT = {"type": "string", "maxLength": 20}


def an_object(**properties):
    return {"type": "object", "properties": properties, "additionalProperties": False}


@pytest.mark.parametrize(
    "schema",
    [
        an_object(text=TEXT, many={"type": "array", "items": TEXT, "maxItems": 3}),
        an_object(kind={"enum": ["a", "b"]}, sure={"type": "boolean"}, none={"const": None}),
        an_object(count={"type": "integer", "minimum": 0, "maximum": 9}),
        {"anyOf": [TEXT, {"type": "null"}]},
    ],
)
def test_a_schema_with_bounds_everywhere_is_taken(schema):
    assert bounded(schema) is schema


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (an_object(text={"type": "string"}), r"\$\.text needs maxLength"),
        (an_object(a=an_object(b={"type": "string"})), r"\$\.a\.b needs maxLength"),
        (an_object(many={"type": "array", "items": TEXT}), r"\$\.many needs maxItems"),
        ({"type": "array", "maxItems": 2}, r"\$\[\] is no schema"),
        ({"type": "array", "maxItems": 2, "items": {"type": "string"}}, r"\$\[\] needs maxLength"),
        ({"type": "object", "properties": {}}, "needs additionalProperties: false"),
        ({"type": "integer", "minimum": 0}, "needs minimum and maximum"),
        ({"type": "number"}, "take an integer"),
        ({"anyOf": [TEXT, {"type": "string"}]}, r"\$\.anyOf\[1\] needs maxLength"),
        ({"$ref": "#"}, r"uses \$ref"),
        ({"type": ["string", "null"], "maxLength": 3}, "needs one type"),
        ({}, "needs one type"),
        ({"type": "string", "maxLength": True}, "needs maxLength"),
        ({"type": "text"}, "unknown type text"),
    ],
)
def test_a_schema_without_an_end_is_refused(schema, says):
    with pytest.raises(UnboundedSchemaError, match=says):
        bounded(schema)


def test_every_fault_is_told_at_once():
    with pytest.raises(UnboundedSchemaError) as caught:
        bounded({"type": "object", "properties": {"a": {"type": "string"}, "b": {}}})
    assert str(caught.value).count(";") == 2


def test_the_schema_stands_in_the_last_turn_alone():
    turns = (Turn("system", "Be brief."), Turn("user", "When?"))
    shown = shown_turns(Request(turns, schema=TEXT))
    assert shown[0] == turns[0]
    assert shown[1].content.startswith("When?\n\nAnswer with one JSON")
    assert shown_turns(Request(turns)) == turns


def test_half_a_character_does_not_stop_a_request():
    assert messages([Turn("user", "a\ud83d")]) == [{"role": "user", "content": "a?"}]
