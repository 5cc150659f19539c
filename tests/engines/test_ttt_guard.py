"""What happens when learning costs too much, explodes or runs out of memory."""

from __future__ import annotations

import itertools

import pytest
import torch

from engines.protocol import Document, EngineError, LearnReport
from engines.ttt.guard import Guard, Reading, forgetting_ratio
from engines.ttt.settings import TTTSettings
from tests.engines.learning import (
    HARBOUR,
    learn,
    learned_logits,
    logits,
    tiny_engine,
)

MONOTONE = Document.from_text("wind " * 300, "wind")  # to learn it is to unlearn all else
STEEP = {"learning_rate": 0.02, "gradient_steps": 6}
ROUNDED = 1.02  # the guard probes before what was learned is rounded to four bits


def rise_percent(report):
    return 100 * (report.held_out_loss_after / report.held_out_loss_before - 1)


@pytest.fixture(scope="module")
def free_rise():
    rise = rise_percent(learn(tiny_engine(**STEEP), MONOTONE))
    assert rise > 2.0
    return rise


def test_the_forgetting_ratio_is_that_of_the_product_and_undefined_at_zero():
    assert forgetting_ratio(0.8, 0.6) == pytest.approx(0.25)
    assert forgetting_ratio(0.0, 0.0) is None
    assert forgetting_ratio(None, 0.5) is None


def test_each_budget_is_named_when_it_is_passed():
    guard = Guard(TTTSettings(), Reading(3.0, 1.0))
    assert guard.fault(Reading(3.02, 0.9)) is None
    assert "held_out.budget_percent is 1" in guard.fault(Reading(3.04, 1.0))
    assert "20 % of the general answers were lost" in guard.fault(Reading(3.0, 0.8))
    lax = Guard(TTTSettings(held_out_budget_percent=None, forgetting_budget=None), Reading(3, 1))
    assert lax.fault(Reading(9.0, 0.0)) is None


def test_stop_goes_back_to_the_best_state_and_ends(free_rise):
    engine = tiny_engine(**STEEP, held_out_budget_percent=free_rise / 2, guard_action="stop")
    *events, report = engine.learn(MONOTONE)
    assert rise_percent(report) <= free_rise / 2
    assert "and stopped" in report.notes[0]
    assert 0 < report.passes < 6
    assert report.loss_after < report.loss_before
    assert events[-1].fraction == pytest.approx(1.0)
    assert report.notes[0] == next(e.guard for e in events if e.guard)


def test_slower_goes_back_and_on_at_half_the_rate(free_rise):
    engine = tiny_engine(**STEEP, held_out_budget_percent=free_rise / 2, guard_action="slower")
    *events, report = engine.learn(MONOTONE)
    rates = [e.learning_rate for e in events if e.learning_rate]
    assert rates[0] == 0.02
    assert rates[-1] < 0.02
    assert rise_percent(report) <= free_rise / 2 * ROUNDED
    stopping = learn(
        tiny_engine(**STEEP, held_out_budget_percent=free_rise / 2, guard_action="stop"), MONOTONE
    )
    assert report.loss_after <= stopping.loss_after


def decided(engine, decision):
    learning = engine.learn(MONOTONE)
    event = next(learning)
    pauses = 0
    while not isinstance(event, LearnReport):
        pauses += event.paused
        event = learning.send(decision) if event.paused else next(learning)
    return event, pauses


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (None, "and stopped"),
        ("stop", "and stopped"),
        ("slower", "at a learning rate of 0.01"),
        ("continue", "without the guard, as decided"),
    ],
)
def test_a_paused_learn_does_what_is_decided(free_rise, decision, said):
    engine = tiny_engine(**STEEP, held_out_budget_percent=free_rise / 2, guard_action="pause")
    report, pauses = decided(engine, decision)
    assert pauses >= 1
    assert said in report.notes[0]
    within = rise_percent(report) <= free_rise / 2 * ROUNDED
    assert within is (decision != "continue")


def test_a_paused_learn_can_be_cancelled_without_a_trace(free_rise):
    engine = tiny_engine(**STEEP, held_out_budget_percent=free_rise / 2, guard_action="pause")
    learning = engine.learn(MONOTONE)
    while not next(learning).paused:
        pass
    learning.close()
    assert engine.documents == ()
    assert torch.equal(learned_logits(engine), logits(engine.host))


def test_a_budget_that_nothing_keeps_leaves_the_base_to_the_bit():
    engine = tiny_engine(learning_rate=0.5, held_out_budget_percent=0.0, guard_action="stop")
    report = learn(engine, MONOTONE)
    assert report.passes == 0
    assert "went back to 0 passes" in report.notes[0]
    assert report.loss_after == pytest.approx(report.loss_before)
    assert torch.equal(learned_logits(engine), logits(engine.host))


def test_the_guard_can_look_every_few_batches():
    *events, _ = tiny_engine(guard_every_batches=2, held_out_budget_percent=50.0).learn(HARBOUR)
    looked: dict[int, int] = {}
    for event in events:
        looked.setdefault(event.probes, event.step)
    assert [looked[n] for n in looked if n > 1] == list(range(2, events[-1].steps + 1, 2))


def test_an_explosion_steps_back_and_halves_the_rate(monkeypatch):
    engine = tiny_engine()
    real = torch.optim.AdamW.step
    calls = []

    def once_wild(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.data.fill_(float("inf"))
            return None
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", once_wild)
    report = learn(engine, HARBOUR)
    assert "the loss became nan: went back to 0 passes" in report.notes[0]
    assert report.loss_after < report.loss_before


def test_a_loss_that_explodes_at_every_rate_is_reported_and_changes_nothing():
    engine = tiny_engine(learning_rate=1e30)
    with pytest.raises(EngineError, match=r"ttt\.learning_rate"):
        learn(engine, HARBOUR)
    assert engine.documents == ()
    learn(tiny_engine(engine.host), HARBOUR)  # and the model is as it was


def test_memory_that_runs_out_once_shrinks_the_batch_and_goes_on(monkeypatch):
    engine = tiny_engine(mini_batch_size=64)
    real = torch.optim.AdamW.step
    calls = []

    def exhausted_once(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", exhausted_once)
    report = learn(engine, HARBOUR)
    assert report.notes == ("memory ran out: mini-batches of 32 tokens from there on",)
    assert report.loss_after < report.loss_before


def test_memory_that_runs_out_for_good_is_one_sentence_and_changes_nothing(monkeypatch):
    engine = tiny_engine()

    def exhausted(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.optim.AdamW, "step", exhausted)
    with pytest.raises(EngineError, match=r"ttt\.retention_tokens"):
        learn(engine, HARBOUR)
    assert engine.documents == ()


@pytest.mark.parametrize("early", [{"guard_every_batches": 1000}, {"target_loss": 6.4}])
def test_nothing_is_kept_that_was_not_probed(monkeypatch, early):
    monkeypatch.setattr(Guard, "fault", lambda *_: "a fault")
    engine = tiny_engine(held_out_budget_percent=50.0, guard_action="stop", **early)
    report = learn(engine, HARBOUR)
    assert "went back to 0 passes and stopped" in report.notes[-1]
    assert torch.equal(learned_logits(engine), logits(engine.host))


def test_a_short_text_that_costs_too_much_is_learned_again_more_slowly(monkeypatch):
    verdicts = iter(["a fault"])
    monkeypatch.setattr(Guard, "fault", lambda *_: next(verdicts, None))
    engine = tiny_engine(held_out_budget_percent=50.0)
    report = learn(engine, HARBOUR)
    assert "went back to 0 passes and on at a learning rate of 0.0015" in report.notes[0]
    assert report.loss_after < report.loss_before
    assert report.passes == 4


@pytest.mark.parametrize("budget", [None, 5.0])
def test_a_last_step_that_explodes_is_never_kept(budget):
    engine = tiny_engine(learning_rate=1e18, gradient_steps=1, held_out_budget_percent=budget)
    with pytest.raises(EngineError, match=r"ttt\.learning_rate"):
        learn(engine, HARBOUR)
    assert engine.documents == ()


def test_passes_that_were_taken_back_are_not_counted(monkeypatch):
    engine = tiny_engine(gradient_steps=6, held_out_budget_percent=50.0, guard_every_batches=5)
    verdicts = iter([None, "a fault", None, "a fault"])
    monkeypatch.setattr(Guard, "fault", lambda *_: next(verdicts, None))
    *events, report = engine.learn(HARBOUR)
    alphas = [e.alpha for e in events if e.alpha is not None]
    assert report.passes == 6
    assert max(e.step for e in events) == 30
    assert events[-1].alpha == pytest.approx(0.5 + 0.45 * 0.25**6)
    assert any(later > earlier for earlier, later in itertools.pairwise(alphas))


def test_running_out_of_memory_without_a_gpu_is_one_sentence_too(monkeypatch):
    engine = tiny_engine()

    def exhausted(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")

    monkeypatch.setattr(torch.optim.AdamW, "step", exhausted)
    with pytest.raises(EngineError, match="not enough memory"):
        learn(engine, HARBOUR)


def test_a_target_that_was_taken_back_is_not_told_of(monkeypatch):
    monkeypatch.setattr(Guard, "fault", lambda *_: "a fault")
    engine = tiny_engine(held_out_budget_percent=50.0, guard_action="stop", target_loss=6.4)
    assert not any("ended after" in note for note in learn(engine, HARBOUR).notes)
