"""The general questions that come with the engines: enough, easy to mark, and no fact twice."""

from __future__ import annotations

from typing import get_args

import pytest

from engines.texts import QuestionUse, general_questions


def test_there_are_as_many_as_promised() -> None:
    assert len(general_questions("probe")) == len(general_questions("retention")) == 64
    assert len(general_questions("instruction")) == 24


def test_every_question_has_short_answers_that_it_does_not_give_away() -> None:
    for question, answers in (*general_questions("probe"), *general_questions("retention")):
        assert question.endswith("?")
        assert answers
        for answer in answers:
            assert 0 < len(answer.split()) <= 3
            assert f" {answer.lower()} " not in f" {question.lower().rstrip('?')} "


def test_no_question_is_in_two_parts() -> None:
    uses = map(general_questions, get_args(QuestionUse))
    every = [question for rows in uses for question, _ in rows]
    assert len({text.lower() for text in every}) == len(every)


def test_instructions_have_no_right_answer() -> None:
    assert all(text and answers == () for text, answers in general_questions("instruction"))


def test_an_unknown_use_is_refused() -> None:
    with pytest.raises(ValueError, match="probe, retention, instruction"):
        general_questions("exam")  # type: ignore[arg-type]
