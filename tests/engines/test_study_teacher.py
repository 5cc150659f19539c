"""Teacher and student score the very same answer tokens, with the passage in view and without."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from engines.host import ModelHost
from engines.protocol import EngineError, StudyItem, Turn
from engines.ttt.study.cloze import cloze_items
from engines.ttt.study.reading import CONTEXT_TOKENS, asked, text_before, with_passage
from engines.ttt.study.teacher import GOLD_WEIGHT, TaughtItem, teach
from tests.engines.learning import HARBOUR, tiny_host
from tests.engines.tiny import TURN_END, tiny_model, tiny_tokenizer

PASSAGE = "The harbour of Vell was dug in 1742 by forty women from Oster."
QUESTION = StudyItem("question", "Who dug it?", "Forty women did.", PASSAGE)
GIVEN = dataclasses.replace(QUESTION, kind="given")
CLOZE = StudyItem("cloze", "Its crane is made of", "black larch.", HARBOUR.text.split("\n\n")[1])
KINDS = pytest.mark.parametrize("item", [QUESTION, GIVEN, CLOZE], ids=lambda item: item.kind)


@torch.no_grad()
def plain_probabilities(host: ModelHost, ids: torch.Tensor, new: int) -> torch.Tensor:
    """What the model says at each of the last ``new`` tokens, from one plain whole forward."""
    logits = host.model(input_ids=ids.unsqueeze(0), use_cache=False).logits[0]
    return logits[len(ids) - new - 1 : len(ids) - 1].softmax(dim=-1)


def base_like_host() -> ModelHost:
    return ModelHost(model=tiny_model(), tokenizer=tiny_tokenizer(chat=False))


@KINDS
def test_the_last_tokens_are_the_answer(item: StudyItem) -> None:
    host = tiny_host()
    taught = teach(host, item, 8)
    end = "" if item.kind == "cloze" else TURN_END
    space = " " if item.kind == "cloze" else ""
    assert host.tokenizer.decode(taught.ids[-taught.new :]) == f"{space}{item.answer}{end}"
    assert torch.equal(taught.ids[: -taught.new], asked(host, item, with_context=False))
    assert taught.top_ids.shape == taught.top_log_probs.shape == (taught.new, 8)
    assert taught.top_log_probs.dtype == torch.float32


@KINDS
def test_targets_are_the_teachers_at_the_students_positions(item: StudyItem) -> None:
    host = tiny_host()
    taught = teach(host, item, 400, text=HARBOUR.text)
    answer = taught.ids[-taught.new :]
    context = asked(host, item, with_context=True, text=HARBOUR.text)
    assert len(context) > len(taught.ids) - taught.new
    expected = plain_probabilities(host, torch.cat([context, answer]), taught.new)
    for row in range(taught.new):
        target = torch.zeros(400).scatter(0, taught.top_ids[row], taught.top_log_probs[row].exp())
        gold = torch.nn.functional.one_hot(answer[row], 400)
        own = bool(expected[row].argmax() == answer[row])
        weight = 0.0 if item.kind == "question" and own else GOLD_WEIGHT
        torch.testing.assert_close(target, (1 - weight) * expected[row] + weight * gold)


def test_the_answer_is_always_among_the_targets_of_a_given_item() -> None:
    taught = teach(tiny_host(), GIVEN, 1)
    assert taught.top_ids[:, 0].tolist() == taught.ids[-taught.new :].tolist()
    assert (taught.top_log_probs.exp() >= GOLD_WEIGHT).all()


def test_an_answer_that_the_model_wrote_itself_is_taught_as_the_model_sees_it() -> None:
    host = tiny_host()
    item, greedy = answered_by_itself(host)
    taught = teach(host, item, 400)
    context = asked(host, item, with_context=True)
    expected = plain_probabilities(host, torch.cat([context, taught.ids[-taught.new :]]), 2)
    assert taught.top_ids[0, 0] == greedy
    assert taught.top_log_probs[0, 0].exp() == pytest.approx(float(expected[0].max()), rel=1e-4)


def answered_by_itself(host: ModelHost) -> tuple[StudyItem, int]:
    """A question with the model's own likeliest first token, one that is a text, as answer."""
    for number in range(50):
        question = f"Who dug {number}?"
        prompt = host.prompt([Turn("user", with_passage(question, PASSAGE))])
        with torch.no_grad():
            greedy = int(host.model(input_ids=prompt.unsqueeze(0)).logits[0, -1].argmax())
        text = host.tokenizer.decode([greedy])
        if host.tokenizer(text)["input_ids"] == [greedy]:
            return StudyItem("question", question, text, PASSAGE), greedy
    raise AssertionError


def test_top_k_is_sorted_and_sums_to_no_more_than_one() -> None:
    taught = teach(tiny_host(), CLOZE, 16, text=HARBOUR.text)
    assert (taught.top_log_probs[:, :-1] >= taught.top_log_probs[:, 1:]).all()
    assert (taught.top_log_probs.exp().sum(dim=-1) <= 1 + 1e-5).all()
    assert teach(tiny_host(), CLOZE, 1_000_000).top_ids.shape[1] == 400


def test_a_cloze_teacher_reads_the_document_up_to_the_sentence_and_no_further() -> None:
    first = "Vell lies in the north."
    text = f"# Vell\n\n{first}\n\n{CLOZE.passage}\n\nThe last paragraph of all."
    before = text_before(CLOZE, text)
    assert before == f"{first}\n\n{PASSAGE} "
    assert text_before(CLOZE) == f"{PASSAGE} "
    assert text_before(dataclasses.replace(CLOZE, passage="")) == ""
    host = tiny_host()
    seen = host.tokenizer.decode(asked(host, CLOZE, with_context=True, text=text))
    assert seen == f"{before}{CLOZE.prompt}"


def test_a_long_text_before_is_cut_to_the_context() -> None:
    host = base_like_host()
    text = "\n\n".join([*(f"Boat number {n} lay in the harbour." for n in range(900)), PASSAGE])
    item = cloze_items(text, 10_000, seed=0)[-1]
    ids = asked(host, item, with_context=True, text=text)
    prompt = asked(host, item, with_context=False)
    assert len(ids) == CONTEXT_TOKENS + len(prompt)
    assert host.tokenizer.decode(ids).endswith(
        "Boat number 899 lay in the harbour.\n\n" + item.prompt
    )


def test_a_start_token_stays_in_front_of_a_cut_context() -> None:
    host = base_like_host()
    host.tokenizer.add_special_tokens({"bos_token": "<|endoftext|>"})
    host.tokenizer.add_bos_token = True
    host.encode = lambda text: torch.tensor(  # type: ignore[method-assign]
        [0, *host.tokenizer(text, add_special_tokens=False)["input_ids"]]
    )
    text = "\n\n".join([*(f"Boat number {n} lay in the harbour." for n in range(900)), PASSAGE])
    item = StudyItem("cloze", "The harbour of Vell was dug in", "1742", PASSAGE)
    ids = asked(host, item, with_context=True, text=text)
    prompt = asked(host, item, with_context=False)
    assert ids[0] == prompt[0] == 0
    assert len(ids) == CONTEXT_TOKENS + len(prompt)
    assert torch.equal(ids[-len(prompt) + 1 :], prompt[1:])


def test_a_model_without_a_chat_template_is_asked_in_plain_text() -> None:
    host = base_like_host()
    taught = teach(host, GIVEN, 4)
    assert host.tokenizer.decode(taught.ids) == "Who dug it? Forty women did."


def test_teaching_leaves_the_model_as_it_was_and_keeps_no_graph() -> None:
    host = tiny_host()
    before = {name: p.clone() for name, p in host.model.named_parameters()}
    taught = teach(host, GIVEN, 4)
    assert isinstance(taught, TaughtItem)
    assert not taught.top_log_probs.requires_grad
    assert all(torch.equal(p, before[name]) for name, p in host.model.named_parameters())


def test_an_item_too_long_for_the_model_says_so() -> None:
    item = dataclasses.replace(GIVEN, passage="Oster and Vell. " * 2_000)
    with pytest.raises(EngineError, match=r"“Who dug it\?” has .* tokens .* shorten its passage"):
        teach(tiny_host(), item, 4)
