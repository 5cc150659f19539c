"""Several documents together: each can be weighed, muted, moved, left out and taken back."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from engines.doc2lora.adapters import PeftAdapters
from engines.doc2lora.applied import applied
from engines.doc2lora.lora import concatenated
from engines.protocol import EngineError, Sampling, Turn
from tests.engines.doc2lora.d2l import MILL, THREE, as_learned, d2l_engine, learned, taught
from tests.engines.learning import AVIARY, HARBOUR, logits, tiny_host


@pytest.fixture
def engine():
    return taught(d2l_engine(), *THREE)


def _same(one, other):
    return torch.equal(as_learned(one), as_learned(other))


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_forgetting_in_any_order_is_as_if_never_learned(engine, order):
    base = logits(engine.host)
    left = list(THREE)
    as_learned(engine)  # adapters are built, and have to be taken down again
    for n in order:
        engine.forget(THREE[n].id)
        left.remove(THREE[n])
        assert _same(engine, taught(d2l_engine(), *left))
        assert torch.equal(logits(engine.host), base)
    assert torch.equal(as_learned(engine), base)
    assert engine.active().__class__.__name__ == "nullcontext"


def test_documents_are_added_up_along_the_rank(engine):
    entries, together = engine._ledger.entries, as_learned(engine)
    whole = concatenated([*(entry.lora for entry in entries), entries[0].bias])
    assert whole.rank == 2 * (sum(entry.chunks for entry in entries) + 1)
    with applied(engine.host.model, whole):
        torch.testing.assert_close(logits(engine.host), together)


def test_the_bias_is_kept_and_added_once(engine):
    biases = {id(entry.bias) for entry in engine._ledger.entries}
    assert len(biases) == 1
    as_learned(engine)
    assert len([n for n in engine._mounted._adapters.names if n.startswith("bias-")]) == 1


def test_muting_is_as_if_not_learned_and_taking_in_again_is_exact(engine):
    together = as_learned(engine)
    engine.mute(AVIARY.id)
    assert engine.muted == {AVIARY.id}
    assert len(engine.documents) == 3
    assert _same(engine, taught(d2l_engine(), HARBOUR, MILL))
    for document in THREE:
        engine.mute(document.id)
    assert torch.equal(as_learned(engine), logits(engine.host))
    for document in THREE:
        engine.mute(document.id, False)
    assert torch.equal(as_learned(engine), together)


def test_a_weight_scales_what_a_document_adds():
    engine = taught(d2l_engine(bias_strength=0.0), HARBOUR)
    base, whole = logits(engine.host), as_learned(engine)
    engine.weigh(HARBOUR.id, 0.0)
    assert torch.equal(as_learned(engine), base)
    engine.weigh(HARBOUR.id, 0.5)
    half = as_learned(engine)
    assert engine.weights == {HARBOUR.id: 0.5}
    engine.weigh(HARBOUR.id, 1.0)
    assert torch.equal(as_learned(engine), whole)
    engine.strength = 0.5
    torch.testing.assert_close(as_learned(engine), half)
    for wrong in (-0.1, 4.1, float("nan")):
        with pytest.raises(EngineError, match="weight is from 0"):
            engine.weigh(HARBOUR.id, wrong)
    with pytest.raises(EngineError, match="No learned document"):
        engine.weigh("?", 1.0)


def test_the_dials_are_apart_and_both_at_0_are_the_base(engine):
    base, whole = logits(engine.host), as_learned(engine)
    engine.strength = 0.0
    bias_alone = as_learned(engine)
    assert not torch.equal(bias_alone, base)
    for document in THREE:
        engine.weigh(document.id, 0.25)
    faded = as_learned(engine)
    assert 0 < (faded - base).norm() < (bias_alone - base).norm()
    engine.bias_strength = 0.0
    assert torch.equal(as_learned(engine), base)
    engine.strength = engine.bias_strength = 1.0
    for document in THREE:
        engine.weigh(document.id, 1.0)
    assert torch.equal(as_learned(engine), whole)
    for wrong in (-1.0, engine.strength_limit + 0.1, float("inf"), float("nan")):
        with pytest.raises(EngineError, match="context strength is from 0"):
            engine.strength = wrong
        with pytest.raises(EngineError, match="bias strength is from 0"):
            engine.bias_strength = wrong
    assert engine.strength == engine.bias_strength == 1.0


def test_moving_changes_the_order_and_the_sum_only_in_its_last_bits(engine):
    before = as_learned(engine)
    engine.move(MILL.id, 0)
    assert [report.id for report in engine.documents] == [MILL.id, HARBOUR.id, AVIARY.id]
    torch.testing.assert_close(as_learned(engine), before, rtol=1e-4, atol=1e-4)
    assert _same(engine, taught(d2l_engine(), MILL, HARBOUR, AVIARY))
    with pytest.raises(EngineError, match="position 5"):
        engine.move(MILL.id, 5)
    assert [report.id for report in engine.documents] == [MILL.id, HARBOUR.id, AVIARY.id]


def test_a_knock_out_holds_inside_its_block_only(engine):
    together = as_learned(engine)
    with engine.without([HARBOUR.id]):
        assert _same(engine, taught(d2l_engine(), AVIARY, MILL))
        with engine.without([AVIARY.id, MILL.id]):
            assert torch.equal(as_learned(engine), logits(engine.host))
    with pytest.raises(RuntimeError, match="inside"), engine.without([AVIARY.id]):
        raise RuntimeError("inside")
    assert torch.equal(as_learned(engine), together)
    with pytest.raises(EngineError, match="No learned document"), engine.without(["?"]):
        pass


def test_a_knocked_out_answer_is_the_models_own(engine):
    asked, short = [Turn("user", "Who dug it?")], Sampling(max_new_tokens=8)
    with engine.without([report.id for report in engine.documents]):
        answer = "".join(piece.text for piece in engine.reply(asked, short))
    assert answer == "".join(piece.text for piece in engine.host.reply(asked, short))


def test_a_document_can_be_forgotten_and_learned_anew(engine):
    as_learned(engine)
    engine.forget(HARBOUR.id)
    assert _same(taught(engine, HARBOUR), taught(d2l_engine(), AVIARY, MILL, HARBOUR))
    with pytest.raises(EngineError, match="No learned document has the id '0000'"):
        engine.forget("0000")


def test_what_is_forgotten_is_let_go(engine):
    as_learned(engine)
    assert len(engine._mounted._adapters.names) == 4
    engine.forget(AVIARY.id)
    assert len(engine._mounted._adapters.names) == 3
    engine.reset()
    assert engine._mounted._adapters.names == ()


def test_the_size_of_a_document_is_that_of_its_lora(engine):
    entry = engine._ledger[HARBOUR.id]
    numbers = 4 * 2 * entry.chunks * (64 + 32)
    assert engine.bytes_of(HARBOUR.id) == 4 * numbers
    half = taught(d2l_engine(precision="bfloat16"), HARBOUR)
    assert half.bytes_of(HARBOUR.id) == 2 * numbers
    torch.testing.assert_close(
        as_learned(half), as_learned(taught(d2l_engine(), HARBOUR)), rtol=0.1, atol=0.1
    )


def test_facts_tell_what_is_kept(engine):
    *events, _ = d2l_engine().learn(HARBOUR)
    facts = engine.facts_of(HARBOUR.id)
    assert facts.norms == pytest.approx(events[-1].total_norms, rel=1e-4)
    assert facts.effective_rank == pytest.approx(events[-1].effective_rank, rel=1e-2)
    assert (facts.rank, facts.chunks) == (events[-1].rank, events[-1].chunks)
    assert facts.hypernetwork == engine.hypernetwork


def test_two_engines_share_a_model_and_not_their_documents():
    host = tiny_host()
    base = logits(host)
    one, two = taught(d2l_engine(host), HARBOUR), taught(d2l_engine(host, seed=1), AVIARY)
    alone = as_learned(one)
    assert not torch.equal(as_learned(two), alone)
    two.reset()
    assert torch.equal(as_learned(two), base)
    assert torch.equal(as_learned(one), alone)
    assert torch.equal(logits(host), base)


def test_adapters_count_only_where_they_are_used(engine):
    adapters, lora = PeftAdapters(engine.host.model), engine._ledger[HARBOUR.id].lora
    base = logits(engine.host)
    for name in ("one", "two"):
        adapters.inject(lora, name)
    adapters.use(["two"])
    with adapters.active(), pytest.raises(AssertionError):
        torch.testing.assert_close(logits(engine.host), base)
    adapters.eject("two")
    with adapters.active():
        assert torch.equal(logits(engine.host), base)
    with pytest.raises(EngineError, match="no adapter 'two' to use"):
        adapters.use(["one", "two"])


@pytest.mark.parametrize("muted", [False, True])
def test_a_document_can_be_learned_after_another_was_forgotten(muted):
    engine = taught(d2l_engine(), HARBOUR, AVIARY)
    engine.mute(HARBOUR.id, muted)
    as_learned(engine)
    engine.forget(HARBOUR.id)
    learned(engine, MILL)
    straight = taught(d2l_engine(), AVIARY, MILL)
    assert torch.equal(as_learned(engine), as_learned(straight))
