"""Asking for JSON: validated, repaired, asked again, and given up without an exception."""

from __future__ import annotations

import json
import random

import pytest

from engines.language_models.protocol import (
    BrokenOffError,
    PromptTooLongError,
    Request,
    UnreachableError,
)
from engines.language_models.schemas import UnboundedSchemaError
from engines.language_models.structured import GaveUp, Spent, Structured, ask_for, read
from engines.protocol import Turn
from tests.engines.language_models.asking import QUESTION, finish
from tests.engines.language_models.scripted_model import ScriptedModel

TEXT = {"type": "string", "maxLength": 40}
SCHEMA = {
    "type": "object",
    "properties": {
        "reasoning": TEXT,
        "ids": {"type": "array", "items": TEXT, "maxItems": 3},
        "verdict": {"enum": ["right", "wrong"]},
        "count": {"type": "integer", "minimum": 0, "maximum": 9},
    },
    "required": ["verdict"],
    "additionalProperties": False,
}
GOOD = '{"reasoning": "so", "ids": ["a-1"], "verdict": "right", "count": 3}'


def ask(model, check=None, request=QUESTION, **settings):
    return finish(ask_for(model, request, SCHEMA, check, **settings))


def test_a_fitting_answer_is_a_value():
    model = ScriptedModel(GOOD)
    chunks, got = ask(model)
    assert got == Structured(json.loads(GOOD), GOOD, "", 1, Spent(10, 3, 0.5, 1))
    assert "".join(chunk.text for chunk in chunks) == GOOD
    assert model.asked[0].schema == SCHEMA


def test_a_useless_answer_is_asked_for_again_with_what_is_wrong():
    model = ScriptedModel("I think it is right.", '{"verdict": "maybe"}', GOOD)
    chunks, got = ask(model)
    assert isinstance(got, Structured)
    assert (got.attempts, got.spent) == (3, Spent(30, 9, 1.5, 3))
    assert [chunk.attempt for chunk in chunks] == [1, 1, 2, 2, 3, 3]
    again = [request.turns for request in model.asked]
    assert again[1][-2] == Turn("assistant", "I think it is right.")
    assert "it holds no JSON object" in again[1][-1].content
    assert "'maybe' is not one of ['right', 'wrong']" in again[2][-1].content
    assert len(again[2]) == 3
    assert len(got.problems) == 2


def test_after_the_retries_it_gives_up_as_a_value():
    model = ScriptedModel("no")
    _, got = ask(model, retries=1)
    assert isinstance(got, GaveUp)
    assert (got.attempts, got.spent.calls, got.text) == (2, 2, "no")
    assert "no JSON object" in got.reason


def test_a_check_of_ones_own_is_shown_to_the_model_too():
    model = ScriptedModel(GOOD, '{"verdict": "wrong"}')
    _, got = ask(model, lambda value: "no id is called a-1" if "ids" in value else None)
    assert got.value == {"verdict": "wrong"}
    assert "no id is called a-1" in model.asked[1].turns[-1].content


def test_a_cut_answer_is_used_only_as_far_as_it_was_finished():
    _, got = ask(ScriptedModel('{"verdict": "right", "reasoning": "because', finish="length"))
    assert (got.value, got.repair) == ({"verdict": "right"}, "end")
    _, got = ask(ScriptedModel('{"reasoning": "because', finish="length"), retries=0)
    assert got.reason.startswith("the answer was cut at its longest")


def test_an_empty_answer_adds_no_empty_turn():
    model = ScriptedModel("<think>for ever", GOOD)
    ask(model)
    assert [turn.role for turn in model.asked[1].turns] == ["user"]
    assert model.asked[1].turns[0].content.startswith(QUESTION.turns[0].content)


def test_a_lost_connection_is_asked_again_and_raised_in_the_end():
    model = ScriptedModel(BrokenOffError("lost"), GOOD)
    _, got = ask(model)
    assert (got.attempts, got.spent.calls, got.problems) == (2, 2, ("lost",))
    with pytest.raises(BrokenOffError):
        ask(ScriptedModel(BrokenOffError("lost")))


def test_a_server_that_is_not_there_is_no_useless_answer():
    with pytest.raises(UnreachableError):
        ask(ScriptedModel(UnreachableError("nothing")))


def test_a_prompt_too_long_is_raised_at_first_and_ends_the_retries_later():
    too_long = PromptTooLongError(9000, 64, 4096)
    with pytest.raises(PromptTooLongError):
        ask(ScriptedModel(too_long))
    _, got = ask(ScriptedModel("no", too_long))
    assert isinstance(got, GaveUp)
    assert (got.attempts, len(got.problems)) == (1, 2)
    assert got.reason.startswith("it holds no JSON object (there was no room")


def test_closing_closes_the_answer_below():
    model = ScriptedModel(GOOD)
    asking = ask_for(model, QUESTION, SCHEMA)
    next(asking)
    assert model.open == 1
    asking.close()
    assert model.open == 0


def test_a_schema_without_an_end_is_refused_before_anything_is_asked():
    model = ScriptedModel(GOOD)
    with pytest.raises(UnboundedSchemaError):
        finish(ask_for(model, Request(QUESTION.turns), {"type": "string"}))
    assert not model.asked


def broken(rng):
    """One malformed answer: a good one, spoiled once or more often."""
    text = GOOD
    for _ in range(rng.randint(1, 3)):
        text = rng.choice(SPOILS)(text, rng)
    return text


def _anywhere(text, rng):
    return rng.randint(0, len(text))


def _swap(text, rng):
    a, b = sorted((_anywhere(text, rng), _anywhere(text, rng)))
    return text[:a] + text[b:] + text[a:b]


ODD = '{}[],:"\\\n\t 0.eE-+tfn<>`\u2028\ud83d\x00é'
VALUES = [
    "null", "true", "-1", "1e999", "NaN", "[]", "{}", '"' + "a" * 500 + '"', "[" * 300,
    '{"a":' * 200, "9" * 6000, '"\\u0000"', '"\\ud800"', '["../../x", "id=1; DROP", 5]', '"\\x"',
]  # fmt: skip
SPOILS = [
    lambda text, rng: text[: _anywhere(text, rng)],
    lambda text, rng: text[_anywhere(text, rng) :],
    _swap,
    lambda text, rng: text * rng.choice([2, 3, 50]),
    lambda text, rng: text.replace('"right"', rng.choice(VALUES)),
    lambda text, rng: text.replace('["a-1"]', rng.choice(VALUES)),
    lambda text, rng: text.replace(rng.choice('{}[],:"'), rng.choice(ODD)),
    lambda text, rng: (at := _anywhere(text, rng), text[:at] + rng.choice(ODD) + text[at:])[1],
    lambda text, rng: rng.choice(["<think>", "<think>x</think>", "```json\n", "Sure: "]) + text,
    lambda text, rng: text + rng.choice(["```", "</think>", "\n\nDone.", "}", "{", '"']),
    lambda text, rng: "".join(rng.choice(ODD) for _ in range(rng.randint(0, 300))),
    lambda text, rng: "{" * rng.randint(1, 2000) + text,
]


def test_two_thousand_malformed_answers_end_as_a_value_or_a_reason():
    rng = random.Random(20260)
    gave_up = 0
    for _ in range(2400):
        _, got = ask(ScriptedModel(broken(rng)), retries=0)
        gave_up += isinstance(got, GaveUp)
        if isinstance(got, Structured):
            assert got.value["verdict"] in {"right", "wrong"}
            assert set(got.value) <= set(SCHEMA["properties"])
            json.dumps(got.value, ensure_ascii=False).encode()
        else:
            assert isinstance(got, GaveUp)
            assert got.reason
            assert len(got.reason) < 400
    assert 200 < gave_up < 2300


@pytest.mark.parametrize("part", ["{", '"', '{"a":', "a", '{"a": "'])
def test_huge_answers_are_read_to_an_end(part):
    assert isinstance(read(part * 400_000, SCHEMA), str)
