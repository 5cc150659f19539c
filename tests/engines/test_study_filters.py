"""Questions that can't be studied are turned away, each with a reason in words."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engines.host import ModelHost
from engines.protocol import StudyItem
from engines.ttt.study.filters import answer_fault, question_fault, support_fault
from tests.engines.tiny import tiny_model, tiny_tokenizer

PASSAGE = "The harbour of Vell was dug in 1742 by forty women from Oster."


class Guesser(ModelHost):
    """A host whose opinion of an answer is given: ``seen`` with the passage, else ``unseen``."""

    def __init__(self, seen: float, unseen: float) -> None:
        super().__init__(model=tiny_model(), tokenizer=tiny_tokenizer())
        self._opinions = (unseen, seen)

    def negative_log_likelihood(self, prompt: Tensor, continuation: Tensor) -> float:
        text = self.tokenizer.decode(prompt)
        assert self.tokenizer.decode(continuation[:-1]) == "In 1742."
        assert int(continuation[-1]) == self.tokenizer.eos_token_id
        return self._opinions[PASSAGE in text]


def test_a_question_on_the_passage_is_fit() -> None:
    assert question_fault("When was the harbour of Vell dug?", PASSAGE) is None


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("", "not a question"),
        ("The harbour of Vell was dug.", "not a question"),
        ("What about Vell?", "only 3 words"),
        ("When was " + "the harbour " * 20 + "dug?", "more than 40"),
        ("What does the passage say about Vell?", "about the text itself"),
        ("What is the main idea of this article about Vell?", "about the text itself"),
        ("What is the answer to this question?", "shares too few words"),
        ("How can I get to the harbour of Vell?", "the one who asks"),
        ("Who sold the harbour of Vell to Lauda?", "“lauda”"),
        ("Who dug the harbour of Vell in 1743?", "“1743”"),
    ],
)
def test_a_question_that_cannot_be_used_is_told_why(question: str, reason: str) -> None:
    assert reason in (question_fault(question, PASSAGE) or "")


def test_a_passage_about_an_author_may_be_asked_about_the_author() -> None:
    passage = "The author of the harbour's log book, Ilse Brandt, counted sixty boats."
    assert question_fault("Who was the author of the log book?", passage) is None


def test_a_question_asked_before_is_not_asked_again() -> None:
    earlier = ["In what year was the harbour of Vell dug?"]
    again = "In which year was Vell's harbour dug?"
    assert question_fault(again, PASSAGE) is None
    assert question_fault(again, PASSAGE, earlier) == "it was asked before"
    assert question_fault("Who dug the harbour of Vell by hand?", PASSAGE, earlier) is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "no answer"),
        ("…", "no answer"),
        ("It was dug in 1742 " * 20, "more than 60"),
        ("The text does not mention when Vell was dug.", "could not answer"),
        ("I'm sorry, I don't know Vell.", "could not answer"),
        ("Long ago, in another country.", "shares no word"),
        ("In 1742, when rich merchants feared winter storms and foreign fleets.", "too few words"),
        ("Forty women from Oster in Lauda.", "“lauda”"),
        ("The harbour of Vell was dug.", "only repeats"),
    ],
)
def test_an_answer_that_says_nothing_rules_the_question_out(answer: str, reason: str) -> None:
    item = StudyItem("question", "When was the harbour of Vell dug?", answer, PASSAGE)
    assert reason in (answer_fault(item) or "")


def test_a_short_answer_from_the_passage_is_fit() -> None:
    item = StudyItem("question", "When was the harbour of Vell dug?", "1742", PASSAGE)
    assert answer_fault(item) is None


def test_the_passage_must_make_the_answer_likelier() -> None:
    item = StudyItem("question", "When was the harbour of Vell dug?", "In 1742.", PASSAGE)
    assert support_fault(Guesser(seen=0.4, unseen=2.5), item) is None
    fault = support_fault(Guesser(seen=2.4, unseen=2.5), item)
    assert fault is not None
    assert "2.40 nats a token with it, 2.50 without" in fault


def test_support_is_measured_with_a_real_model_too() -> None:
    host = ModelHost(model=tiny_model(), tokenizer=tiny_tokenizer())
    item = StudyItem("question", "When was the harbour of Vell dug?", "In 1742.", PASSAGE)
    state = torch.random.get_rng_state()
    first = support_fault(host, item)
    assert support_fault(host, item) == first
    assert torch.equal(torch.random.get_rng_state(), state)
