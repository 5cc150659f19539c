"""Where the question is in a prompt, and what moves logits by the stored states."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from engines.host import ModelHost
from engines.jitrl.asked import question_place, question_state
from engines.jitrl.calibration import Measure
from engines.jitrl.neighbours import Gate
from engines.jitrl.search import ChunkHit, Gathered, Space
from engines.jitrl.settings import JitRLFullSettings
from engines.jitrl.steering import moved
from engines.protocol import Turn
from tests.engines.learning import tiny_host
from tests.engines.tiny import tiny_model, tiny_tokenizer

SPACE = Space(torch.zeros(2), torch.zeros(2), torch.ones(2))
MEASURE = Measure(Gate(near=1.0, far=4.0), scale=1.0, space=SPACE)


@pytest.fixture(scope="module")
def host():
    return tiny_host()


def gathered(returns=(1.0, 1.0)):
    return Gathered(
        hits=(ChunkHit("doc", 0, 1.0),),
        states=torch.tensor([[0.0, 0.0], [10.0, 0.0]]),
        tokens=torch.tensor([3, 5]),
        returns=torch.tensor(returns),
        hit=torch.tensor([0, 0]),
        rows=torch.tensor([0, 1]),
    )


def shifted(state, mix="advantage", returns=(1.0, 1.0), share=0.5):
    settings = dataclasses.replace(JitRLFullSettings(), mix=mix, share=share)
    found = gathered(returns)
    logits = torch.zeros(1, 8)
    return moved(
        torch.tensor([state]), logits, found, settings=settings, measure=MEASURE, strength=8.0
    )


@pytest.mark.parametrize("mix", ["advantage", "interpolate"])
def test_the_token_that_followed_a_near_state_is_lifted_and_a_stranger_moves_nothing(mix):
    assert shifted([0.1, 0.0], mix).logits.argmax() == 3
    far = shifted([0.0, 5.0], mix)
    assert torch.equal(far.logits, torch.zeros(1, 8))
    assert torch.equal(far.weights, torch.zeros(1, 2))


@pytest.mark.parametrize("mix", ["advantage", "interpolate"])
def test_a_lower_return_lifts_less(mix):
    chances = [
        shifted([0.1, 0.0], mix, (worth, 1.0)).logits.softmax(dim=1)[0, 3]
        for worth in (2.0, 1.0, 0.5, -1.0)
    ]
    assert chances == sorted(chances, reverse=True)
    assert chances[2] > chances[3]


def test_returns_above_1_leave_a_whole_share_finite():
    logits = shifted([0.1, 0.0], "interpolate", (2.0, 2.0), share=1.0).logits
    assert logits.softmax(dim=1)[0, 3] == pytest.approx(1.0)


def test_the_questions_tokens_are_found_in_the_template(host):
    turns = [Turn("user", "Boats?"), Turn("assistant", "Yes."), Turn("user", "How many boats?")]
    first, after = question_place(host, turns, "How many boats?")
    ids = host.prompt(turns)
    assert host.tokenizer.decode(ids[len(ids) - first : len(ids) - after]) == "How many boats?"


def test_without_a_template_the_last_question_is_found_too():
    plain = ModelHost(model=tiny_model(), tokenizer=tiny_tokenizer(chat=False))
    turns = [Turn("user", "Boats?"), Turn("user", "How many boats?")]
    first, after = question_place(plain, turns, "How many boats?")
    ids = plain.prompt(turns)
    assert plain.tokenizer.decode(ids[len(ids) - first :]) == "How many boats?"
    assert after == 0


def test_what_isnt_in_the_prompt_gives_the_whole_of_it(host):
    turns = [Turn("user", "Boats?")]
    assert question_place(host, turns, "Ships") == (len(host.prompt(turns)), 0)


def test_a_question_longer_than_the_context_still_has_a_state(host):
    state = question_state(host, None, "boat " * 10_000)
    assert state.shape == (32,)
    assert bool(torch.isfinite(state).all())
