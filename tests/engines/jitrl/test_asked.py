"""Where a question stands in its prompt."""

from __future__ import annotations

import pytest

from engines.host import ModelHost
from engines.jitrl.asked import question_place
from engines.protocol import Turn
from tests.engines.learning import tiny_host
from tests.engines.tiny import tiny_model, tiny_tokenizer


@pytest.fixture(scope="module")
def host():
    return tiny_host()


def found(host, turns, question):
    first, after = question_place(host, turns, question)
    ids = host.prompt(turns)
    return ids, host.tokenizer.decode(ids[len(ids) - first : len(ids) - after])


@pytest.mark.parametrize("question", ["an", "end", "user", "im_start"])
def test_letters_of_the_template_are_not_taken_for_the_question(host, question):
    turns = [Turn("user", "Boats, an end user?"), Turn("assistant", "No."), Turn("user", question)]
    ids, text = found(host, turns, question)
    first, _ = question_place(host, turns, question)
    assert text == question
    assert host.tokenizer.decode(ids[len(ids) - first :]).startswith(f"{question}<|im_end|>")


def test_the_question_is_found_behind_passages_that_hold_it_too(host):
    turns = [Turn("user", "[1] Boats\nHow many boats?\n\nHow many boats?")]
    first, _ = question_place(host, turns, "How many boats?")
    ids, text = found(host, turns, "How many boats?")
    assert text == "How many boats?"
    assert "boats" not in host.tokenizer.decode(ids[len(ids) - first :])[len(text) :]


def test_a_question_of_an_earlier_turn_alone_is_not_found(host):
    turns = [Turn("user", "Boats?"), Turn("assistant", "Yes."), Turn("user", "Barrels?")]
    assert question_place(host, turns, "Boats?") == (len(host.prompt(turns)), 0)


def test_without_a_template_the_last_of_two_equal_questions_is_found():
    plain = ModelHost(model=tiny_model(), tokenizer=tiny_tokenizer(chat=False))
    turns = [Turn("user", "Boats?"), Turn("user", "Boats?")]
    first, after = question_place(plain, turns, "Boats?")
    ids = plain.prompt(turns)
    assert after == 0
    assert plain.tokenizer.decode(ids[len(ids) - first :]) == "Boats?"
