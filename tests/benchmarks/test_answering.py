"""Answers in batches, and how they are marked."""

from __future__ import annotations

import pytest
from answering import contains, greedy, normalised, token_f1

from engines.host import ModelHost
from engines.protocol import Sampling
from tests.engines.tiny import tiny_model, tiny_tokenizer

PROMPTS = [
    "The lighthouse at Grey Point",
    "The lighthouse at Grey Point was built by three brothers and",
    "The lighthouse at",
    "In the winter of 1893 a storm",
]


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma2"])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_batch_says_what_each_prompt_alone_is_answered(family: str, count: int) -> None:
    """Three prompts share a beginning that is computed once; the fourth shares nothing."""
    host = ModelHost(model=tiny_model(family), tokenizer=tiny_tokenizer())
    prompts = [host.encode(text) for text in PROMPTS[:count]]
    sampling = Sampling(max_new_tokens=12, repetition_penalty=1.0)
    alone = ["".join(piece.text for piece in host.generate(p, sampling)) for p in prompts]
    assert greedy(host, prompts, 12) == alone


def test_answers_are_normalised_as_squad_does() -> None:
    assert normalised("The  Lamp, a light; an Oil-lamp!") == "lamp light oillamp"


@pytest.mark.parametrize(
    ("answer", "golds", "f1"),
    [
        ("The keeper Tobias.", ["Tobias"], 2 / 3),
        ("tobias", ["Tobias", "the youngest of them"], 1.0),
        ("nobody", ["Tobias"], 0.0),
        ("", ["Tobias"], 0.0),
        ("the", ["a"], 1.0),
        ("forty forty years", ["forty years"], 0.8),
    ],
)
def test_token_f1_is_the_best_over_the_golds(answer: str, golds: list[str], f1: float) -> None:
    assert token_f1(answer, golds) == pytest.approx(f1)


def test_an_answer_contains_whole_words_only() -> None:
    assert contains("It was built in the year 1871.", ["1871", "soon"])
    assert not contains("It was built in 18710.", ["1871"])
    assert not contains("It was.", ["the"])
