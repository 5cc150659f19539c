"""A model that writes good questions is left to; for another the document's sentences serve."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engines.documents import read_file, samples
from engines.host import ModelHost
from engines.protocol import Document, Piece, Sampling, StudyItem, StudyPlan
from engines.ttt.settings import TTTSettings
from engines.ttt.study.choose import ATTEMPTS_PER_ITEM, TRIAL_QUESTIONS, prepare
from engines.ttt.study.paragraphs import sentences
from engines.ttt.study.questions import KINDS, answer_of, asks, question_of, question_passages
from engines.ttt.study.steps import StudyStep
from engines.words import words
from tests.engines.learning import HARBOUR, tiny_host
from tests.engines.tiny import tiny_model, tiny_tokenizer

DOCUMENT = read_file(samples()[1])
QUICK = TTTSettings(study_items=8)


class Writer(ModelHost):
    """A host that says what it is told to: every ``good_each``-th question is a fit one.

    A good question asks about a word of the passage; its answer is the sentence it is in.
    """

    def __init__(self, good_each: int = 1) -> None:
        super().__init__(model=tiny_model(), tokenizer=tiny_tokenizer())
        self.asked: list[str] = []
        self._good_each = good_each

    def generate(self, prompt: Tensor, sampling: Sampling, **_: object) -> Iterator[Piece]:
        said = self._said(self.tokenizer.decode(prompt), sampling)
        for word in re.findall(r"\S+\s*", said):
            yield Piece(word)

    def negative_log_likelihood(self, prompt: Tensor, continuation: Tensor) -> float:
        return 0.2 if "Using the text above" in self.tokenizer.decode(prompt) else 2.0

    def _said(self, request: str, sampling: Sampling) -> str:
        passage = request.rsplit("user\n", maxsplit=1)[-1].split("\n\n", maxsplit=1)[0]
        if "Using the text above" in request:
            return f"{sentences(passage)[0]}\n\nMore talk."
        self.asked.append(passage)
        if len(self.asked) % self._good_each:
            return "What is the main idea of the passage?"
        assert sampling.temperature > 0
        listed = words(passage)
        start = (sampling.seed or 0) * 7 % (len(listed) - 6)
        return f"Question: Who knows of {' '.join(listed[start : start + 6])}?"


def drained(steps: Generator[StudyStep, None, StudyPlan]) -> tuple[StudyPlan, list[StudyStep]]:
    seen: list[StudyStep] = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return end.value, seen


def plan(host: ModelHost, document: Document = DOCUMENT, **settings: object) -> StudyPlan:
    return drained(prepare(host, document, dataclasses.replace(QUICK, **settings)))[0]  # type: ignore[arg-type]


def test_next_token_studies_the_text_alone() -> None:
    with_items = dataclasses.replace(DOCUMENT, study=(StudyItem("given", "a", "b"),))
    for document in (DOCUMENT, with_items):
        found, steps = drained(prepare(tiny_host(), document, TTTSettings(objective="next_token")))
        assert (found.objective, found.items, steps) == ("next_token", (), [])


@pytest.mark.parametrize(
    ("objective", "came_to"), [("auto", "mixed"), ("mixed", "mixed"), ("self_study", "self_study")]
)
def test_items_that_were_given_are_used_as_they_are(objective: str, came_to: str) -> None:
    items = (StudyItem("cloze", "a", "b"), StudyItem("question", "c", "d"))
    document = dataclasses.replace(DOCUMENT, study=items)
    found = plan(tiny_host(), document, objective=objective)
    assert found == StudyPlan(came_to, "2 items given", items)


def test_a_model_that_writes_usable_questions_writes_them() -> None:
    host = Writer()
    found = plan(host)
    assert found.objective == "mixed"
    assert found.reason == (
        "picked by auto, as this model wrote 6 usable questions of 6, "
        "so questions that it writes are studied"
    )
    assert len(found.items) == 8
    assert {item.kind for item in found.items} == {"question"}
    assert all(item.prompt.startswith("Who knows of ") for item in found.items)
    assert all(item.passage.startswith(item.answer) for item in found.items)


def test_a_model_that_does_not_is_given_the_documents_sentences() -> None:
    host = Writer(good_each=6)
    found = plan(host, objective="self_study")
    assert found.objective == "self_study"
    assert found.reason == (
        "this model wrote 1 usable question of 6, so the document's own sentences are studied"
    )
    assert {item.kind for item in found.items} == {"cloze"}
    assert len(found.items) == 8
    assert len(host.asked) == TRIAL_QUESTIONS
    reasons = [reason for _, reason in found.rejected]
    assert sum("about the text itself" in reason for reason in reasons) == 5
    assert sum("sentences of the document" in reason for reason in reasons) == 1


def test_half_of_the_questions_is_enough_and_attempts_have_an_end() -> None:
    host = Writer(good_each=2)
    found = plan(host, study_items=40)
    assert "3 usable questions of 6" in found.reason
    assert {item.kind for item in found.items} == {"question"}
    assert len(host.asked) <= ATTEMPTS_PER_ITEM * 40
    assert len(found.items) + len(found.rejected) == len(host.asked)


def test_a_tiny_random_model_falls_back_on_sentences() -> None:
    found = plan(tiny_host())
    assert {item.kind for item in found.items} == {"cloze"}
    assert "0 usable questions of 6" in found.reason
    assert found.reason.count(".") == 0


def test_a_model_without_a_chat_template_is_not_asked() -> None:
    host = ModelHost(model=tiny_model(), tokenizer=tiny_tokenizer(chat=False))
    found, steps = drained(prepare(host, DOCUMENT, QUICK))
    assert "no chat template" in found.reason
    assert {item.kind for item in found.items} == {"cloze"}
    assert steps == []


def test_the_documents_own_questions_come_first_with_their_passages() -> None:
    questions = (
        ("Which weaver made cord of kelp?", ("Ilse Tarrant", "Tarrant")),
        ("Who rings Old Temperance?", ("Jory Callender",)),
    )
    document = dataclasses.replace(DOCUMENT, questions=questions)
    found = plan(Writer(good_each=6), document)
    given, rest = found.items[:2], found.items[2:]
    assert [(i.kind, i.prompt, i.answer) for i in given] == [
        ("given", "Which weaver made cord of kelp?", "Ilse Tarrant"),
        ("given", "Who rings Old Temperance?", "Jory Callender"),
    ]
    assert "ribbon kelp" in given[0].passage
    assert "Old Temperance" in given[1].passage
    assert {item.kind for item in rest} == {"cloze"}
    assert len(found.items) == 8
    assert "2 questions came with the document; this model wrote" in found.reason


def test_more_questions_than_asked_for_are_chosen_evenly_and_nothing_is_written() -> None:
    questions = tuple((f"What is harbour number {n}?", (f"{n}",)) for n in range(80))
    host = Writer()
    found = plan(host, dataclasses.replace(DOCUMENT, questions=questions))
    assert [int(item.answer) // 10 for item in found.items] == list(range(8))
    assert "80 questions came with the document, of which ttt.study_items takes 8" in found.reason
    assert host.asked == []


def test_a_document_with_nothing_to_study_is_learned_as_text() -> None:
    found = plan(tiny_host(), Document.from_text("apples, pears"), objective="self_study")
    assert (found.objective, found.items) == ("next_token", ())
    assert "no passage to ask about" in found.reason
    assert found.reason.endswith("the text alone is learned")


def test_the_test_is_remembered_for_each_model(tmp_path: Path) -> None:
    poor = Writer(good_each=6)
    first, _ = drained(prepare(poor, DOCUMENT, QUICK, tmp_path))
    again, steps = drained(prepare(poor, DOCUMENT, QUICK, tmp_path))
    assert len(poor.asked) == TRIAL_QUESTIONS
    assert steps == []
    assert "1 usable question of 6 when it was tested" in again.reason
    assert again.items == first.items
    (file,) = tmp_path.iterdir()
    assert poor.fingerprint in file.name
    for spoilt in ("", "[]", '{"usable": 9, "written": 6, "format": 1}', '{"format": 0}'):
        file.write_text(spoilt)
        drained(prepare(poor, DOCUMENT, QUICK, tmp_path))
        assert json.loads(file.read_text())["written"] == TRIAL_QUESTIONS


def test_a_short_document_does_not_judge_the_model_for_ever(tmp_path: Path) -> None:
    drained(prepare(Writer(), HARBOUR, QUICK, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_only_costs_the_memory(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    found, _ = drained(prepare(Writer(), DOCUMENT, QUICK, tmp_path / "taken"))
    assert len(found.items) == 8


def test_progress_counts_up_and_a_step_comes_for_every_token() -> None:
    _, steps = drained(prepare(Writer(), DOCUMENT, QUICK))
    stages = list(dict.fromkeys(step.stage for step in steps))
    assert stages == ["testing whether this model can write questions", "writing questions"]
    for stage in stages:
        done = [step.done for step in steps if step.stage == stage]
        assert done == sorted(done)
        assert done[-1] == next(step.total for step in steps if step.stage == stage)
    assert len(steps) > 10 * len([*range(8)])


def test_it_can_be_cancelled_at_any_step() -> None:
    host = Writer()
    steps = prepare(host, DOCUMENT, QUICK)
    for _ in range(30):
        next(steps)
    steps.close()
    asked = len(host.asked)
    assert list(steps) == []
    assert len(host.asked) == asked


def test_any_beginning_of_the_asks_covers_the_document() -> None:
    passages = [f"passage {n}" for n in range(40)]
    wanted = asks(passages, 200, seed=5)
    assert len({(a.passage, a.kind.name) for a in wanted[:160]}) == 160
    assert len({a.seed for a in wanted}) == 200
    for count in (8, 20, 40):
        thirds = [int(a.passage.split()[1]) // 14 for a in wanted[:count]]
        assert min(thirds.count(third) for third in range(3)) >= count // 4
    assert {a.kind.name for a in wanted[:6]} == {kind.name for kind in KINDS}
    assert [int(a.passage.split()[1]) % 10 for a in asks(passages, 4, seed=0)] == [5] * 4
    assert asks([], 5, seed=0) == []


def test_passages_are_cut_by_the_models_tokens() -> None:
    host = tiny_host()
    found = question_passages(host, DOCUMENT.text)
    assert all(len(host.encode(passage)) <= 230 for passage in found)
    assert "".join(found).count("Tarrant") == DOCUMENT.text.count("Tarrant")
    assert question_passages(host, "Too short to ask about.") == ()


@pytest.mark.parametrize(
    "said",
    [
        "Who dug Vell?",
        "Question: Who dug Vell? Answer: women",
        'Here is a question about it:\n\n1. "Who dug Vell?"\n2. Why?',
        "**Question 1:** Who dug Vell?",
        "<think>\nWhat shall I ask?\n</think>\n\nWho dug Vell?",
    ],
)
def test_the_question_is_found_in_what_the_model_said(said: str) -> None:
    assert question_of(said) == "Who dug Vell?"


def test_the_answer_is_the_first_paragraph() -> None:
    assert answer_of(" Answer: Forty women.\n\nThey came from Oster.") == "Forty women."
    assert question_of("") == answer_of("") == ""


def test_sampling_leaves_torchs_own_random_state_alone() -> None:
    state = torch.random.get_rng_state()
    plan(tiny_host(), study_items=2)
    assert torch.equal(torch.random.get_rng_state(), state)
