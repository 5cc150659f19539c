"""What Curators write: read as far as it can be meant, and never more."""

from __future__ import annotations

import json

import pytest

from engines.ace.applying import apply
from engines.ace.operations import Add, Merge, Remove, Tag, Update, from_json
from engines.ace.playbook import Playbook
from engines.ace.reading import MAX_OPERATIONS, Unreadable, read_operations
from engines.ace.schema import operations_schema

ALL = [
    Add("formulas", "A = b / c", "why", 2, 1, "formula-00003"),
    Update("formula-00003", "A = b / d"),
    Merge(("other-00001", "other-00002"), "Both"),
    Tag("other-00001", "harmful", "misled"),
    Remove("other-00001"),
]


@pytest.mark.parametrize("operation", ALL)
def test_operations_survive_json(operation):
    assert from_json(json.loads(json.dumps(operation.to_json()))) == operation


def test_a_plain_patch_is_read():
    patch = {
        "reasoning": "…",
        "operations": [
            {"type": "ADD", "section": "formulas", "text": "A = b", "confidence": 0.3},
            {"type": "update", "id": "[Strategy-00001]", "content": "New"},
            {"op": "DELETE", "bullet_id": "other-00002"},
            {"type": "TAG", "id": "other-00002", "tag": "Helpful"},
            {"type": "MERGE", "ids": ["a-00001", "b-00002"], "text": "Both"},
        ],
    }
    assert read_operations(patch) == (
        Add("formulas", "A = b"),
        Update("strategy-00001", "New"),
        Remove("other-00002"),
        Tag("other-00002", "helpful"),
        Merge(("a-00001", "b-00002"), "Both"),
    )


def test_the_short_form_is_read():
    patch = {"add": ["Check units."], "update": [{"id": "other-00001", "rule": "B"}], "remove": []}
    assert read_operations(patch) == (Add("other", "Check units."), Update("other-00001", "B"))


def test_a_role_sets_no_counters_and_no_id():
    row = {"type": "ADD", "text": "Rule", "helpful": 99, "id": "strategy-00001"}
    assert read_operations([row]) == (Add("other", "Rule"),)


@pytest.mark.parametrize(
    "patch",
    [
        {"add": "abc"},
        {"operations": "abc"},
        {"operations": {"type": "ADD"}},
        {"operations": None},
        "add everything",
        5,
        None,
        {},
        [{"type": "ADD", "text": ["a", "b"]}],
        [{"type": "MERGE", "ids": "abc", "text": "x"}],
        [{"type": ["ADD"], "text": "x"}],
        [{"type": "REWRITE", "text": "x"}],
        [{"type": "TAG", "id": "other-00001", "tag": 1}],
        [{"type": "REMOVE", "id": {"$ne": None}}],
        ["ADD something"],
        [[[[[[[[]]]]]]]],
    ],
)
def test_what_is_no_operation_is_one_refusal(patch):
    (read,) = read_operations(patch)
    assert isinstance(read, Unreadable)
    (outcome,) = apply(Playbook(), [read]).outcomes
    assert (outcome.verdict, outcome.operation) == ("refused", None)
    assert len(outcome.given) <= 160


def test_a_flood_is_cut_and_said():
    read = read_operations([{"type": "REMOVE", "id": "a-00001"}] * 10_000)
    assert len(read) == MAX_OPERATIONS + 1
    assert isinstance(read[-1], Unreadable)


def _bounded(schema):
    kind = schema.get("type")
    if kind == "string":
        assert "maxLength" in schema or "enum" in schema
    elif kind == "array":
        assert "maxItems" in schema
        _bounded(schema["items"])
    elif kind == "object":
        assert schema["additionalProperties"] is False
        for part in schema["properties"].values():
            _bounded(part)
    else:
        for part in schema["anyOf"]:
            _bounded(part)


def test_every_part_of_the_schema_is_bounded():
    full = apply(Playbook(), [Add("other", "Rule one"), Add("my own", "Another thing")]).playbook
    for schema in (operations_schema(), operations_schema(full, new_sections=True)):
        _bounded(schema)
    kinds = operations_schema(full)["properties"]["operations"]["items"]["anyOf"]
    names = [kind["properties"]["type"]["enum"][0] for kind in kinds]
    assert names == ["ADD", "UPDATE", "TAG", "REMOVE", "MERGE"]
    assert kinds[1]["properties"]["id"]["enum"] == ["other-00001", "my-own-00002"]
    assert "my own" in kinds[0]["properties"]["section"]["enum"]
