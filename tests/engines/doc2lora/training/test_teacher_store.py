"""The teacher is asked once; what it said is on the disk, in shards that can be resumed."""

from __future__ import annotations

import pytest
import torch

from engines.doc2lora.training.examples import Asked, Context
from engines.doc2lora.training.prompts import Prompts
from engines.doc2lora.training.settings import TeacherSettings
from engines.doc2lora.training.teacher import Teacher
from engines.doc2lora.training.teacher_store import TeacherStore
from engines.protocol import CheckpointError
from tests.engines.doc2lora.training.training_data import base

MADE_WITH = {"base_model": "tiny", "top_k": 4}
PROMPT = "Say it. {question}"


def _contexts(number=5):
    asked = (Asked("Who is it?", ("Tobias",)), Asked("When was that?", ("in 1871",)))
    return [Context(f"The keeper of lamp {n} is Tobias.", asked, "rows") for n in range(number)]


class _Counting(Teacher):
    """A real teacher that remembers what it was asked."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.asked = []

    def targets(self, context):
        self.asked.append(context.text)
        return super().targets(context)


def _teacher(**settings):
    of = base()
    return _Counting(
        of.model,
        Prompts(of.tokenizer, [PROMPT]),
        TeacherSettings(**{"answers": "gold", "top_k": 4, **settings}),
    )


def _store(folder, teacher, **made_with):
    return TeacherStore(folder, teacher, {**MADE_WITH, **made_with}, shard_contexts=2)


def test_targets_are_what_the_model_says_with_the_document_in_view():
    of, (context, *_) = base(), _contexts()
    found = _teacher().targets(context)["When was that?"]
    prompts = Prompts(of.tokenizer, [PROMPT])
    prompt = prompts.asked("When was that?", document=context.text)
    answer = prompts.answer("in 1871")
    assert context.text in of.tokenizer.decode(prompt)
    assert found.answer.tolist() == answer
    with torch.no_grad():
        logits = of.model(input_ids=torch.tensor([prompt + answer])).logits[0]
    top, ids = logits[len(prompt) - 1 : -1].log_softmax(-1).topk(4)
    assert torch.equal(found.top_ids.long(), ids)
    assert found.top_log_probs.dtype == torch.float16
    torch.testing.assert_close(found.top_log_probs.float(), top, rtol=1e-2, atol=1e-2)


def test_an_answer_ends_the_turn():
    of = base()
    assert Prompts(of.tokenizer, [PROMPT]).end == of.tokenizer.convert_tokens_to_ids("<|im_end|>")


def test_generated_answers_are_the_likeliest_tokens():
    of, (context, *_) = base(), _contexts()
    found = _teacher(answers="generated", max_answer_tokens=6).targets(context)["Who is it?"]
    prompt = Prompts(of.tokenizer, [PROMPT]).asked("Who is it?", document=context.text)
    ids = of.model.generate(
        input_ids=torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=6,
        do_sample=False,
    )
    assert found.answer.tolist() == ids[0, len(prompt) :].tolist()
    assert torch.equal(found.answer[:6].long(), found.top_ids[:, 0].long())


def test_an_answer_that_is_too_long_is_left_out():
    found = _teacher(max_answer_tokens=1).targets(_contexts()[0])
    assert {question: len(target.answer) for question, target in found.items()} == {
        "Who is it?": 0,
        "When was that?": 0,
    }


def test_what_is_in_the_store_is_not_asked_again(tmp_path):
    first = _teacher()
    store = _store(tmp_path, first)
    before = [store.targets(c) for c in _contexts()]
    store.flush()
    assert len(first.asked) == len(_contexts())
    second = _teacher()
    again = _store(tmp_path, second)
    after = [again.targets(c) for c in _contexts()]
    assert second.asked == []
    for a, b in zip(before, after, strict=True):
        for question, target in a.items():
            assert torch.equal(target.answer, b[question].answer)
            assert torch.equal(target.top_ids, b[question].top_ids)
            assert torch.equal(target.top_log_probs, b[question].top_log_probs)


def test_filling_can_be_cancelled_and_goes_on(tmp_path):
    teacher = _teacher()
    filling = _store(tmp_path, teacher).fill(_contexts())
    assert [next(filling).done for _ in range(3)] == [1, 2, 3]
    filling.close()
    other = _teacher()
    store = _store(tmp_path, other)
    assert len(store) == 3
    told = list(store.fill(_contexts()))
    assert [(t.done, t.of) for t in told] == [(n, 5) for n in range(1, 6)]
    assert len(other.asked) == 2


def test_a_question_that_is_new_is_asked_alone(tmp_path):
    teacher = _teacher()
    store = _store(tmp_path, teacher)
    context = _contexts()[0]
    store.targets(context)
    more = Context(context.text, (*context.asked, Asked("Where?", ("here",))), "rows")
    assert set(store.targets(more)) == {"Who is it?", "When was that?", "Where?"}
    assert set(store.targets(context)) >= {"Who is it?", "When was that?"}
    assert len(teacher.asked) == 2


def test_a_store_made_otherwise_is_refused(tmp_path):
    _store(tmp_path, _teacher())
    with pytest.raises(CheckpointError, match=r"made with other settings \(top_k\)"):
        _store(tmp_path, _teacher(), top_k=8)


def test_a_damaged_shard_is_named(tmp_path):
    store = _store(tmp_path, _teacher())
    list(store.fill(_contexts()))
    shard = next(tmp_path.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:40])
    with pytest.raises(CheckpointError, match=f"{shard.stem}.*delete both"):
        _store(tmp_path, _teacher())


def test_a_shard_without_its_index_is_as_if_it_had_never_been(tmp_path):
    list(_store(tmp_path, _teacher()).fill(_contexts()))
    next(tmp_path.glob("shard-*.json")).unlink()
    assert len(_store(tmp_path, _teacher())) < 5
