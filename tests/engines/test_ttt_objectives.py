"""What is learned: text, items, and being held to the base; and by which neurons."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from engines.protocol import Progress, StudyItem, StudyPlan, Turn
from engines.ttt.batches import Batch, Window
from engines.ttt.dual_mlp import injected
from engines.ttt.learner import Learner
from engines.ttt.progress import Meter
from engines.ttt.retention import Needs
from engines.ttt.spans import Past, Span
from engines.ttt.upper import UpperLayers
from tests.engines.learning import HARBOUR, learn, tiny_engine, tiny_host

ITEM = StudyItem("given", "What is the crane made of?", "Black larch.", HARBOUR.text)


def distance_to_base(engine, text="The weather of the coast is mild."):
    ids = engine.host.encode(text).unsqueeze(0)
    with torch.no_grad():
        base = torch.log_softmax(engine.host.model(input_ids=ids).logits, -1)
        with engine.active():
            learned = torch.log_softmax(engine.host.model(input_ids=ids).logits, -1)
    return float((base.exp() * (base - learned)).sum(-1).mean())


def answer_loss(engine):
    prompt = engine.host.prompt([Turn("user", ITEM.prompt)])
    with engine.active():
        return engine.host.negative_log_likelihood(prompt, engine.host.encode(ITEM.answer))


def test_held_to_the_base_it_stays_closer_to_it():
    free, held = tiny_engine(gradient_steps=8), tiny_engine(gradient_steps=8, retention=20.0)
    for engine in (free, held):
        report = learn(engine, HARBOUR)
        assert report.loss_after < report.loss_before
    assert distance_to_base(held) < distance_to_base(free)


def test_the_pull_to_the_base_has_no_gradient_where_nothing_was_learned():
    engine = tiny_engine(retention=1.0)
    for _ in engine._retention.prepare(Meter(), Needs(held=True)):
        pass
    upper = UpperLayers(engine.host, engine.layers[0])
    everything = {number: torch.arange(64) for number in engine.layers}
    learner = Learner(engine.host, upper, engine.settings, earlier={}, opened=everything, alpha=0.5)
    text = upper.record(Span(engine.host.encode(HARBOUR.text)[:20], 19))
    alone = _gradients(learner, Batch(Window(text, 0, 19, Past(0))))
    both = _gradients(
        learner, Batch(Window(text, 0, 19, Past(0)), retention=engine._retention.held[:3])
    )
    for one, other in zip(alone, both, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def _gradients(learner, batch):
    for parameter in learner.parameters():
        parameter.grad = None
    with injected(learner._layers, learner.duals):
        learner._backward(batch)
    return [parameter.grad.clone() for parameter in learner.parameters()]


@pytest.mark.parametrize("objective", ["self_study", "mixed"])
def test_items_given_with_the_document_are_what_is_studied(objective):
    engine = tiny_engine(objective=objective, gradient_steps=12)
    before = answer_loss(engine)
    document = dataclasses.replace(HARBOUR, study=(ITEM,))
    report = learn(engine, document)
    assert (report.objective, report.study_items) == (objective, 1)
    assert answer_loss(engine) < before


def test_self_study_does_not_read_the_words_of_the_text():
    document = dataclasses.replace(HARBOUR, study=(ITEM,))
    wording = learn(tiny_engine(objective="mixed"), document)
    meaning = learn(tiny_engine(objective="self_study"), document)
    assert wording.loss_after < meaning.loss_after


def test_a_study_is_prepared_without_learning_and_can_be_given_back_edited():
    engine = tiny_engine(objective="mixed")
    *events, plan = engine.study(HARBOUR)
    assert isinstance(plan, StudyPlan)
    assert all(isinstance(event, Progress) for event in events)
    assert engine.documents == ()
    assert plan.items
    edited = (dataclasses.replace(plan.items[0], answer="nothing at all."),)
    report = learn(engine, dataclasses.replace(HARBOUR, study=edited))
    assert report.study_items == 1


def test_learning_ends_at_the_target_loss():
    whole = learn(tiny_engine(gradient_steps=12), HARBOUR)
    target = (whole.loss_before + whole.loss_after) / 2
    report = learn(tiny_engine(gradient_steps=12, target_loss=target), HARBOUR)
    assert report.passes < 12
    assert whole.loss_after < report.loss_after
    assert report.loss_after == pytest.approx(target, abs=0.1)
    assert "ended after" in report.notes[0]


def test_a_budget_of_neurons_goes_before_the_threshold():
    engine = tiny_engine(gate_top=5, gate_threshold=0.0)
    report = learn(engine, HARBOUR)
    assert report.gate_open_share == pytest.approx(5 / 64)


def test_neurons_ranked_anew_add_to_those_that_learned_before():
    once = tiny_engine(gate_top=8)
    learn(once, HARBOUR)
    again = tiny_engine(gate_top=8, gate_recompute_passes=1, learning_rate=3e-2)
    report = learn(again, HARBOUR)
    touched = [len(c.index) for c in again._entries[0].changes.values()]
    assert all(count >= 8 for count in touched)
    assert report.loss_after < report.loss_before
    assert report.loss_after == pytest.approx(learn_loss(again), rel=1e-3)


def learn_loss(engine):
    *_, recall = engine.recall(HARBOUR)
    return recall.loss


def test_every_part_of_a_long_text_is_learned_in_segments(monkeypatch):
    monkeypatch.setattr("engines.ttt.lesson.SEGMENT_TOKENS", 48)
    engine = tiny_engine(mini_batch_size=16, context_tokens=16)
    *events, report = engine.learn(HARBOUR)
    assert events[-1].tokens_seen == 4 * (report.tokens - 1)
    assert report.loss_after < report.loss_before


def test_the_tiny_host_is_the_base_between_the_steps_of_a_study():
    host = tiny_host()
    engine = tiny_engine(host, objective="mixed", retention=1.0)
    ids = host.encode("The harbour of").unsqueeze(0)
    with torch.no_grad():
        base = host.model(input_ids=ids).logits
        for _ in engine.learn(HARBOUR):
            assert torch.equal(host.model(input_ids=ids).logits, base)


def test_many_items_make_more_steps_and_not_larger_ones():
    items = tuple(
        StudyItem("given", f"What is number {i}?", "Black larch.", HARBOUR.text) for i in range(60)
    )
    document = dataclasses.replace(HARBOUR, study=items)
    engine = tiny_engine(objective="mixed", mini_batch_size=64, gradient_steps=1, study_items=60)
    *events, report = engine.learn(document)
    assert report.study_items == 60
    assert events[-1].steps > 5
    assert events[-1].step == events[-1].steps


def test_a_sentence_longer_than_the_model_reads_is_cut_to_what_comes_last():
    engine = tiny_engine(objective="mixed", gradient_steps=1)
    long = StudyItem("cloze", "wind and rain " * 1500, "came from the west.", "")
    report = learn(engine, dataclasses.replace(HARBOUR, study=(long,)))
    assert report.study_items == 1
    assert len(engine._lesson()._span(long, "").ids) <= engine.host.context_limit
