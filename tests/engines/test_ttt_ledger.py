"""The ledger: each document's change apart, to mute, move, knock out and forget."""

from __future__ import annotations

import pytest
import torch

from engines.abilities import HasAlpha, HasLedger, MeasuresRecall, Recall, Studies
from engines.protocol import EngineError, Overlap, Sampling, Turn
from engines.ttt.dual_mlp import Neurons
from engines.ttt.gate import overlap
from engines.ttt.ledger import Change, Rows
from tests.engines.learning import (
    AVIARY,
    HARBOUR,
    learn,
    learned_logits,
    logits,
    tiny_engine,
    tiny_host,
)


@pytest.fixture
def engine():
    both = tiny_engine()
    learn(both, AVIARY)
    learn(both, HARBOUR)
    return both


def test_the_engine_has_the_abilities_it_is_asked_for():
    engine = tiny_engine()
    assert isinstance(engine, HasAlpha)
    assert isinstance(engine, HasLedger)
    assert isinstance(engine, MeasuresRecall)
    assert isinstance(engine, Studies)


@pytest.mark.parametrize("width", [1, 40, 41])
def test_four_bits_are_off_by_at_most_half_a_level(width):
    rows = torch.randn(5, width, generator=torch.Generator().manual_seed(0)) * 1e-3
    rows[2] = 0.0
    kept = Rows.of(rows)
    assert tuple(kept.packed.shape) == (5, -(-width // 2))
    assert kept.packed.dtype == torch.uint8
    largest = rows.abs().amax(dim=1, keepdim=True)
    assert ((kept.float() - rows).abs() <= largest / 14 + 1e-9).all()
    assert torch.equal(kept.float()[2], rows[2])


def test_muting_leaves_a_document_out_and_taking_it_in_again_is_exact(engine):
    both = learned_logits(engine)
    engine.mute(HARBOUR.id)
    assert engine.muted == {HARBOUR.id}
    assert len(engine.documents) == 2
    other = tiny_engine(engine.host)
    learn(other, AVIARY)
    other.alpha = engine.alpha
    assert torch.equal(learned_logits(engine), learned_logits(other))
    engine.mute(AVIARY.id)
    assert torch.equal(learned_logits(engine), logits(engine.host))
    engine.mute(AVIARY.id, False)
    engine.mute(HARBOUR.id, False)
    assert torch.equal(learned_logits(engine), both)


def test_a_muted_document_stays_muted_on_disk(engine, tmp_path):
    engine.mute(AVIARY.id)
    engine.save(tmp_path / "muted")
    other = tiny_engine()
    other.load(tmp_path / "muted")
    assert other.muted == {AVIARY.id}
    assert torch.equal(learned_logits(other), learned_logits(engine))


def test_moving_changes_the_order_and_the_sum_only_in_its_last_bits(engine):
    before = learned_logits(engine)
    engine.move(HARBOUR.id, 0)
    assert [d.id for d in engine.documents] == [HARBOUR.id, AVIARY.id]
    torch.testing.assert_close(learned_logits(engine), before, rtol=1e-4, atol=1e-4)
    with pytest.raises(EngineError, match="position 5"):
        engine.move(HARBOUR.id, 5)
    assert [d.id for d in engine.documents] == [HARBOUR.id, AVIARY.id]


def test_a_knock_out_holds_inside_its_block_only(engine):
    both = learned_logits(engine)
    with engine.without([HARBOUR.id, AVIARY.id]):
        assert torch.equal(learned_logits(engine), logits(engine.host))
    with pytest.raises(RuntimeError, match="inside"), engine.without([HARBOUR.id]):
        assert not torch.equal(learned_logits(engine), both)
        raise RuntimeError("inside")
    assert torch.equal(learned_logits(engine), both)
    with pytest.raises(EngineError, match="No learned document"), engine.without(["?"]):
        pass


def test_a_knocked_out_answer_is_that_without_the_document(engine):
    question, sampling = [Turn("user", "Who dug it?")], Sampling(max_new_tokens=8)
    with engine.without([d.id for d in engine.documents]):
        answer = "".join(piece.text for piece in engine.reply(question, sampling))
    assert answer == "".join(piece.text for piece in engine.host.reply(question, sampling))


def test_the_size_of_a_document_is_what_is_kept_of_it(engine):
    neurons, hidden, layers = 16, 32, 1
    change = neurons * (3 * (hidden // 2 + 4) + 4)  # four bits a number, scales, an index
    tokens = 4 * engine.documents[1].tokens_read
    assert engine.bytes_of(HARBOUR.id) == layers * change + tokens


def test_recall_tells_what_is_left_of_a_forgotten_document(engine):
    def recall(document):
        last = list(engine.recall(document))[-1]
        assert isinstance(last, Recall)
        return last

    learned = recall(AVIARY)
    assert learned.loss < learned.base_loss
    engine.forget(AVIARY.id)  # the earlier one: the later change stays as it is
    left = recall(AVIARY)
    assert left.base_loss == pytest.approx(learned.base_loss)
    assert learned.loss < left.loss
    engine.reset()
    assert recall(AVIARY).loss == pytest.approx(left.base_loss)


def test_rehearsing_an_earlier_document_keeps_more_of_it():
    def left_of_the_first(share):
        engine = tiny_engine(gradient_steps=8, gate_threshold=0.0, retention=5.0, rehearsal=share)
        learn(engine, AVIARY)
        learn(engine, HARBOUR)
        *_, recall = engine.recall(AVIARY)
        return recall.loss

    assert left_of_the_first(1.0) < left_of_the_first(0.0)


def test_overlap_is_the_share_of_the_change_in_neurons_that_open():
    change = Neurons(
        torch.tensor([1, 5, 9]),
        torch.tensor([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]]),
        torch.zeros(3, 2),
        torch.zeros(3, 2),
    )
    changes = {3: Change.of(change)}
    assert overlap({3: torch.tensor([0, 5])}, changes) == pytest.approx(16 / 25, rel=1e-2)
    assert overlap({3: torch.tensor([0, 2])}, changes) == 0.0
    assert overlap({3: torch.arange(10)}, changes) == pytest.approx(1.0)


def test_overlaps_are_foretold_and_reported(engine):
    *_, foretold = engine.overlaps(HARBOUR)
    engine.forget(HARBOUR.id)
    *_, again = engine.overlaps(HARBOUR)
    report = learn(engine, HARBOUR)
    assert report.overlaps == again == foretold[:1]
    assert [type(one) for one in again] == [Overlap]
    assert again[0].document_id == AVIARY.id
    assert 0.0 <= again[0].share <= 1.0


def test_all_neurons_open_means_full_overlap():
    engine = tiny_engine(gate_threshold=0.0)
    learn(engine, AVIARY)
    assert learn(engine, HARBOUR).overlaps[0].share == pytest.approx(1.0)


def test_a_second_learn_is_refused_while_one_runs():
    engine = tiny_engine(tiny_host())
    first = engine.learn(HARBOUR)
    next(first)
    with pytest.raises(EngineError, match="learning already"):
        next(engine.learn(AVIARY))
    first.close()
    learn(engine, AVIARY)


def test_a_muted_document_keeps_its_alpha_when_the_last_heard_one_is_forgotten(engine):
    alone = tiny_engine(engine.host)
    learn(alone, AVIARY)
    engine.mute(AVIARY.id)
    engine.forget(HARBOUR.id)
    engine.mute(AVIARY.id, False)
    assert engine.alpha == pytest.approx(alone.alpha, abs=0.01)
    engine.alpha = alone.alpha
    assert torch.equal(learned_logits(engine), learned_logits(alone))


def test_what_changes_inside_a_knock_out_holds_after_it(engine):
    with engine.without([AVIARY.id]):
        learned_logits(engine)
        engine.forget(HARBOUR.id)
    alone = tiny_engine(engine.host)
    learn(alone, AVIARY)
    alone.alpha = engine.alpha
    assert torch.equal(learned_logits(engine), learned_logits(alone))


def test_the_ledger_stands_still_while_a_document_is_learned(tmp_path):
    engine = tiny_engine(tiny_host())
    learn(engine, AVIARY)
    engine.save(tmp_path / "one")
    learning = engine.learn(HARBOUR)
    next(learning)
    for change in (
        lambda: engine.forget(AVIARY.id),
        lambda: engine.mute(AVIARY.id),
        lambda: engine.move(AVIARY.id, 0),
        engine.reset,
        lambda: engine.load(tmp_path / "one"),
        lambda: next(engine.study(HARBOUR)),
    ):
        with pytest.raises(EngineError, match="learning already"):
            change()
    learning.close()
    assert [d.id for d in engine.documents] == [AVIARY.id]


def test_overlap_is_foretold_from_the_part_that_will_be_read():
    engine = tiny_engine(max_tokens_per_document=60)
    learn(engine, AVIARY)
    *_, foretold = engine.overlaps(HARBOUR)
    assert learn(engine, HARBOUR).overlaps == foretold
