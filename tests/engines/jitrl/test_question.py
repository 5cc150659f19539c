"""What is looked up: the last question, and the one before it only where it is needed."""

from __future__ import annotations

import pytest

from engines.jitrl.question import query_of
from engines.protocol import Turn

BEFORE = "What is the crane of Vell made of?"


def query(question, before=BEFORE):
    return query_of([Turn("user", before), Turn("assistant", "Larch."), Turn("user", question)])


@pytest.mark.parametrize(
    "question",
    [
        "Who founded Oslo?",
        "Where is Vell?",
        "Parrots?",
        "In 1888?",
        "Wer gründete Oslo?",
        "東京タワーは何年に建てられましたか",
        "东京在哪里？",
        "谁是李白？",
        "猫はどこですか？",
        "서울은 어디에 있습니까?",
    ],
)
def test_a_short_question_that_is_complete_is_looked_up_alone(question):
    assert query(question) == question


@pytest.mark.parametrize(
    "question",
    [
        "and when?",
        "why?",
        "And who is she?",
        "What about it?",
        "How long is it, and since which year is it so?",
        "und wann?",
        "Et pourquoi ?",
        "¿Y cuándo?",
        "为什么？",
        "那是什么时候呢？",
        "なぜですか？",
        "それはいつですか",
        "?!",
    ],
)
def test_a_follow_up_that_names_nothing_joins_the_question_before(question):
    assert query(question) == f"{BEFORE} {question}"


def test_the_first_question_stands_alone_whatever_it_says():
    assert query_of([Turn("user", " and when? ")]) == "and when?"


def test_where_no_user_spoke_last_there_is_no_question():
    assert query_of([Turn("user", BEFORE), Turn("assistant", "Larch.")]) == ""
    assert query_of([]) == ""
