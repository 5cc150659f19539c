"""What is measured of a document and of the rest, on models that know or don't."""

from __future__ import annotations

import math

import pytest
import torch
from evaluation import (
    Choice,
    Item,
    Kept,
    Learnable,
    Taught,
    answer_nll,
    asked_answers,
    asked_choices,
    choice_accuracy,
    choice_questions,
    cloze_recall,
    learnables,
    question_turns,
    short_questions,
)
from scoring import Sheet

from engines.host import ModelHost
from engines.protocol import Document, Sampling, Turn
from engines.texts import calibration_passages, held_out_passages
from engines.ttt.engine import TTTEngine
from engines.ttt.settings import TTTSettings
from tests.engines.tiny import TEXT, tiny_model, tiny_tokenizer

QUESTION = "Who kept the lamp?"


@pytest.fixture
def host() -> ModelHost:
    return ModelHost(model=tiny_model(), tokenizer=tiny_tokenizer())


def answer_of(host: ModelHost, prompt: torch.Tensor, tokens: int) -> str:
    sampling = Sampling(max_new_tokens=tokens, repetition_penalty=1.0)
    return "".join(piece.text for piece in host.generate(prompt, sampling))


def test_cloze_counts_the_beginnings_that_the_model_continues_by_the_answer(
    host: ModelHost,
) -> None:
    leads = ["The youngest of them,", "In the winter of 1893 a storm took the path"]
    said = [answer_of(host, host.encode(lead), 4) for lead in leads]
    right = Item("", (said[0].strip(),), leads[0])
    wrong = Item("", ("no such words",), leads[1])
    assert cloze_recall(host, [right, wrong]) == 0.5


def test_the_gold_answers_loss_is_that_of_the_model_after_the_question(host: ModelHost) -> None:
    item = Item(QUESTION, ("Tobias", "the keeper"), "")
    alone = host.negative_log_likelihood(
        host.prompt(question_turns(QUESTION)), host.encode("Tobias")
    )
    assert answer_nll(Sheet(host, asked_answers(host, [item]))) == pytest.approx(alone, rel=1e-4)


def test_the_text_is_in_view_only_in_context() -> None:
    (closed,), (shown,) = question_turns(QUESTION), question_turns(QUESTION, TEXT)
    assert TEXT not in closed.content
    assert TEXT in shown.content
    assert shown.content.endswith(closed.content)
    assert isinstance(closed, Turn)


def test_a_choice_is_right_where_its_mean_loss_per_token_is_least(host: ModelHost) -> None:
    choices = ("Tobias", "a basket of oranges", "the library", "1871")
    prompt = host.prompt(question_turns(QUESTION))
    losses = [host.negative_log_likelihood(prompt, host.encode(c)) for c in choices]
    likeliest = losses.index(min(losses))
    questions = [Choice(QUESTION, choices, gold) for gold in range(4)]
    sheet = Sheet(host, asked_choices(host, questions))
    assert choice_accuracy(sheet, questions) == 0.25
    assert choice_accuracy(sheet, [questions[likeliest]] * 4) == 1.0


def test_learning_shows_in_what_is_taught(host: ModelHost) -> None:
    document = Document.from_text(TEXT, "Grey Point")
    items = (Item(QUESTION, ("Tobias",), "The youngest of them,"), Item("When?", ("1871",), ""))
    settings = TTTSettings(
        objective="next_token", gradient_steps=6, learning_rate=0.02, gate_threshold=0.0,
        held_out_budget_percent=None, forgetting_budget=None, retention=0.0,
    )  # fmt: skip
    engine = TTTEngine(host, settings)
    taught = Taught(host, Learnable(document, items), first=engine.layers[0])
    before = taught.measure(engine.active)
    assert before == taught.measure()
    *_, report = engine.learn(document)
    after = taught.measure(engine.active)
    assert after["nll"] < before["nll"] - 0.5
    assert after["nll"] == pytest.approx(report.loss_after, abs=0.02)
    assert taught.measure() == before
    assert {"nll", "cloze", "answer_nll", "f1", "contains"} == set(after)
    assert {"answer_nll", "f1", "contains"} == set(taught.in_context())


def test_everything_else_is_measured_with_and_without_answering(host: ModelHost) -> None:
    found = Kept(host, first=2, arc=3, trivia=2, answering=True).measure()
    names = {"held_out_nll", "arc", "trivia_nll", "trivia_f1", "trivia_contains"}
    assert set(found) == names
    assert all(math.isfinite(value) for value in found.values())
    assert set(Kept(host, arc=0, trivia=0).measure()) == {"held_out_nll"}


def test_the_documents_are_eight_articles_with_questions_that_they_answer() -> None:
    found = learnables()
    assert len({one.document.title for one in found}) == 8
    for one in found:
        assert all(item.answers[0] in one.document.text for item in one.items)
        leads = [item for item in one.items if item.lead]
        assert len(leads) >= 8
        assert len(one.items) <= 14
        for item in leads:
            assert len(item.lead) >= 20
            start = one.document.text.index(item.lead) + len(item.lead)
            assert one.document.text[start:].strip().startswith(item.answers[0])


def test_questions_are_given_to_no_engine() -> None:
    assert all(one.document.questions == () for one in learnables())


def test_nothing_that_measures_is_in_a_text_that_ships() -> None:
    shipped = "\n".join([*calibration_passages(), *held_out_passages()])
    sentences = [s for one in learnables() for s in one.document.text.split(". ") if len(s) > 40]
    asked = [q.question for q in (*choice_questions(), *short_questions())]
    assert len(asked) == 180
    assert not [text for text in (*sentences, *asked) if text in shipped]


def test_no_general_question_of_the_engine_is_asked_to_measure_it() -> None:
    texts = pytest.importorskip("engines.texts")
    own = {q for use in ("probe", "retention") for q, _ in texts.general_questions(use)}
    assert not own & {q.question for q in (*choice_questions(), *short_questions())}
