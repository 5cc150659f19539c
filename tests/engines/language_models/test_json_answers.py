"""Finding JSON in what models write, repairing little and inventing nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.language_models.json_answers import Found, candidates, closed


def first(text):
    return next(candidates(text), None)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', Found({"a": 1})),
        ('Sure! Here it is:\n```json\n{"a": [1, 2]}\n```\nAnything else?', Found({"a": [1, 2]})),
        ('<think>{"a": 0}</think>{"a": 1}', Found({"a": 1})),
        ('maybe {"a": 0}, no: {"a": 1}', Found({"a": 1})),
        ('\ufeff{"a": "} ] {"}', Found({"a": "} ] {"})),
        ('{"a": "two\nlines"}', Found({"a": "two\nlines"})),
        ('{it\'s "open} {"a": 1}', Found({"a": 1})),
        ('{"a": [1, 2,], }', Found({"a": [1, 2]}, "commas")),
        ('{"a": "x, ]",}', Found({"a": "x, ]"}, "commas")),
        ('{"a": true, "b": {"c": [tru', Found({"a": True}, "end")),
        ('{"a": ["one", "tw', Found({"a": ["one"]}, "end")),
        ('{"a": [12, 34', Found({"a": [12]}, "end")),
        ('{"a": "whole", "b', Found({"a": "whole"}, "end")),
        ('{"a": "whole", "b"', Found({"a": "whole"}, "end")),
        ('{"a": "half of', None),
        ('{"a": NaN}', None),
        ('{"a": "\\ud83d"}', None),
        ('{"a": ' + "9" * 5000 + "}", None),
        ("[" * 500 + "]" * 500, None),
        ("{'a': 1}", None),
        ("no JSON here", None),
    ],
)
def test_what_is_found_in_a_text(text, found):
    assert first(text) == found


VALUES = st.recursive(
    st.one_of(st.booleans(), st.none(), st.integers(-999, 999), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=4)
PROSE = st.text(st.characters(exclude_characters='{}[]<"'), max_size=20)


def encodable(value):
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@given(
    value=OBJECTS.filter(encodable), before=PROSE, after=PROSE, indent=st.sampled_from([None, 2])
)
def test_any_object_is_found_with_prose_around_it(value, before, after, indent):
    text = f"{before}{json.dumps(value, indent=indent)}{after}"
    assert first(text) == Found(value)


@given(value=OBJECTS.filter(encodable), data=st.data())
def test_a_cut_object_keeps_only_what_was_finished(value, data):
    text = json.dumps(value)
    for kept in closed(text[: data.draw(st.integers(0, len(text)))]):
        assert is_part(json.loads(kept), value)


def test_an_unfinished_item_can_be_left_out_whole():
    text = '{"why": "so", "list": [{"a": 1, "b": 2}, {"a": 3, "b": "ha'
    assert [json.loads(kept) for kept in closed(text)] == [
        {"why": "so", "list": [{"a": 1, "b": 2}, {"a": 3}]},
        {"why": "so", "list": [{"a": 1, "b": 2}]},
        {"why": "so"},
    ]


def is_part(part, value):
    """Whether ``part`` is ``value`` less what comes after some point of it."""
    if isinstance(part, dict) and isinstance(value, dict):
        return all(key in value and is_part(part[key], value[key]) for key in part)
    if isinstance(part, list) and isinstance(value, list):
        return len(part) <= len(value) and all(map(is_part, part, value))
    return part == value
