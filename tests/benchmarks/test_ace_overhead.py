"""The scripted server, the calls and the figures of the overhead benchmark; nothing is timed."""

from __future__ import annotations

import json

import pytest
from ace_overhead import (
    Took,
    answer_text,
    bare,
    calls_of,
    last_asked,
    measured,
    median_interval,
    models,
    pieces_of,
    playbook_of,
    role_call,
    server,
    structured_call,
    summaries,
)

from engines.ace.budget import Budget
from engines.ace.settings import AceSettings
from engines.ace.sizes import about_tokens

PIECES = 20


@pytest.mark.parametrize("pace", [0.0, 0.1])
def test_both_dialects_read_the_same_answer(pace: float) -> None:
    pieces = pieces_of(answer_text(False), PIECES)
    with server(pieces, pace) as address:
        for path, model in models(address).values():
            found = structured_call(model)
            assert found.text == "".join(pieces)
            assert found.value["final_answer"] == "5.0"
            body = last_asked(address)
            assert b"inventory turnover" in body
            assert bare(address, path, body) >= len(pieces)


def test_a_whole_role_is_asked_with_the_whole_playbook() -> None:
    playbook = playbook_of(1000)
    with server(pieces_of(answer_text(True), PIECES)) as address:
        for _, model in models(address).values():
            turn = role_call(model, playbook, AceSettings())
            assert turn.parsed is not None
            assert turn.parsed["bullet_ids"] == ["strategy-00001"]
            asked = json.loads(last_asked(address))["messages"]
            assert all(id_ in asked[-1]["content"] for id_ in playbook.ids)
            assert asked[0] == {"role": "system", "content": turn.prompt[0].content}


def test_each_round_is_a_pair() -> None:
    playbook = playbook_of(200)
    with server(pieces_of(answer_text(True), PIECES)) as address:
        found = measured(address, calls_of(address, playbook, whole=True), 3)
    assert list(found) == ["Ollama, a whole role", "OpenAI, a whole role"]
    assert all(len(pairs) == 3 for pairs in found.values())
    assert all(took.wall > 0 for pairs in found.values() for pair in pairs for took in pair)


def test_the_overhead_is_the_median_of_the_differences() -> None:
    pairs = [(Took(1.0, 0.5), Took(ours, 2.5)) for ours in (3.0, 4.0, 90.0)]
    found = summaries({"a call": pairs})["a call"]
    assert found["overhead"]["median"] == pytest.approx(3.0)
    assert found["overhead"]["interval"] == [pytest.approx(2.0), pytest.approx(89.0)]
    assert found["cpu_overhead"]["median"] == pytest.approx(2.0)
    assert found["overhead"]["n"] == 3
    assert median_interval([2.0] * 9) == [2.0, 2.0]


def test_the_playbook_fills_its_tokens() -> None:
    playbook = playbook_of(4096)
    used = Budget(4096, about_tokens).used(playbook)
    assert 4050 < used <= 4096


def test_the_answer_is_cut_into_about_so_many_pieces() -> None:
    text = answer_text(True)
    assert "".join(pieces_of(text, 200)) == text
    assert 200 <= len(pieces_of(text, 200)) <= 300
    assert json.loads(text)["final_answer"] == "5.0"


def test_an_answer_that_can_not_be_used_ends_the_benchmark() -> None:
    with server(["no JSON"]) as address, pytest.raises(RuntimeError, match="could not be used"):
        structured_call(models(address)["OpenAI"][1])
