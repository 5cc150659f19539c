"""Learning, cancelling, forgetting, saving and loading with a tiny real model."""

from __future__ import annotations

import json

import pytest
import torch

from engines.protocol import (
    CheckpointError,
    Document,
    DocumentError,
    EngineError,
    LearnReport,
    Progress,
    Sampling,
    Turn,
)
from engines.ttt.dual_mlp import AlreadyInjectedError
from engines.ttt.limits import modified_layers
from engines.ttt.settings import TTTSettings
from tests.engines.learning import (
    AVIARY,
    HARBOUR,
    learn,
    learned_logits,
    logits,
    tiny_engine,
    tiny_host,
)


def weights(host):
    return {name: p.detach().clone() for name, p in host.model.named_parameters()}


def test_learning_lowers_the_loss_and_touches_no_base_weight():
    engine = tiny_engine()
    before, base = weights(engine.host), logits(engine.host)
    report = learn(engine, HARBOUR)
    assert report.loss_after < report.loss_before
    assert engine.documents == (report,)
    assert not torch.equal(learned_logits(engine), base)
    assert torch.equal(logits(engine.host), base)
    after = weights(engine.host)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_the_reported_loss_is_the_loss_of_the_learned_model():
    engine = tiny_engine(mini_batch_size=1024, context_tokens=0)
    report = learn(engine, HARBOUR)
    ids = engine.host.encode(HARBOUR.text).unsqueeze(0)
    with torch.no_grad(), engine.active():
        loss = engine.host.model(input_ids=ids, labels=ids).loss
    assert report.loss_after == pytest.approx(float(loss), rel=1e-4)


def test_neurons_behind_a_shut_gate_do_not_move_at_all():
    engine = tiny_engine(gate_threshold=0.75)
    report = learn(engine, HARBOUR)
    assert report.gate_open_share == pytest.approx(0.25)
    assert engine.gate is not None
    assert engine.gate.open_share == (0.25,) * len(engine.layers)
    entry = engine._entries[0]
    for change in entry.changes.values():
        assert len(change.index) == 16  # a quarter of 64 neurons; the rest has no parameter
        assert all(t.shape == (16, 32) for t in change.neurons().tensors())


def test_alpha_goes_from_its_start_towards_its_minimum_by_passes_not_by_length():
    ends = []
    for document in (HARBOUR, AVIARY):
        events = [e for e in tiny_engine().learn(document) if isinstance(e, Progress)]
        alphas = [e.alpha for e in events if e.stage == "learning" and e.alpha is not None]
        assert alphas[0] == 0.95
        assert alphas == sorted(alphas, reverse=True)
        ends.append(alphas[-1])
    assert ends[0] == pytest.approx(ends[1])
    assert ends[0] == pytest.approx(0.5 + 0.45 * (1 - TTTSettings().alpha_decay_rate) ** 4)


def test_the_alpha_dial_goes_back_to_the_base_at_one():
    engine = tiny_engine()
    learn(engine, HARBOUR)
    learned = learned_logits(engine)
    engine.alpha = 1.0
    assert torch.equal(learned_logits(engine), logits(engine.host))
    engine.alpha = 0.0
    stronger = learned_logits(engine)
    base = logits(engine.host)
    assert (stronger - base).norm() > (learned - base).norm() > 0
    with pytest.raises(EngineError, match="from 0 to 1"):
        engine.alpha = 1.5


def test_progress_is_measured_and_monotonic():
    *events, report = tiny_engine().learn(HARBOUR)
    assert isinstance(report, LearnReport)
    fractions = [e.fraction for e in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    steps = [e for e in events if e.step]
    assert sorted({e.step for e in steps}) == list(range(1, steps[0].steps + 1))
    assert steps[-1].passes_done == steps[-1].passes == 4
    assert steps[-1].tokens_seen == 4 * (report.tokens - 1)
    assert steps[-1].held_out_loss is not None
    assert steps[0].gate is not None


@pytest.mark.parametrize("stop_at", [1, 5, 10, 17])
def test_a_cancelled_learn_leaves_no_trace(stop_at):
    engine = tiny_engine()
    learn(engine, AVIARY)
    before, documents = learned_logits(engine), engine.documents
    learning = engine.learn(HARBOUR)
    for _ in range(stop_at):
        assert not isinstance(next(learning), LearnReport)
    learning.close()
    assert engine.documents == documents
    assert torch.equal(learned_logits(engine), before)
    learn(engine, HARBOUR)  # and it can be learned after all


def test_the_base_is_bit_identical_between_two_events():
    engine = tiny_engine()
    base = logits(engine.host)
    for _ in engine.learn(HARBOUR):
        assert torch.equal(logits(engine.host), base)


def test_forgetting_the_last_document_restores_the_one_before_to_the_bit():
    engine = tiny_engine()
    base = logits(engine.host)
    learn(engine, AVIARY)
    one = learned_logits(engine)
    learn(engine, HARBOUR)
    assert not torch.equal(learned_logits(engine), one)
    engine.forget(HARBOUR.id)
    assert torch.equal(learned_logits(engine), one)
    engine.forget(AVIARY.id)
    assert torch.equal(learned_logits(engine), base)
    with pytest.raises(EngineError, match="No learned document"):
        engine.forget(AVIARY.id)


def test_forgetting_an_earlier_document_keeps_the_later_one():
    engine = tiny_engine()
    learn(engine, AVIARY)
    learn(engine, HARBOUR)
    engine.forget(AVIARY.id)
    assert [d.id for d in engine.documents] == [HARBOUR.id]
    assert not torch.equal(learned_logits(engine), logits(engine.host))


def test_learning_twice_gives_the_same_weights():
    first, second = tiny_engine(), tiny_engine()
    learn(first, HARBOUR)
    learn(second, HARBOUR)
    assert torch.equal(learned_logits(first), learned_logits(second))


def test_a_checkpoint_brings_back_the_very_same_model(tmp_path):
    engine = tiny_engine()
    learn(engine, AVIARY)
    learn(engine, HARBOUR)
    engine.alpha = 0.4
    engine.save(tmp_path / "two")
    other = tiny_engine()
    other.load(tmp_path / "two")
    assert other.documents == engine.documents
    assert other.alpha == 0.4
    assert other.gate == engine.gate
    assert torch.equal(learned_logits(other), learned_logits(engine))
    other.forget(HARBOUR.id)
    assert [d.id for d in other.documents] == [AVIARY.id]


def test_an_empty_ledger_can_be_saved_and_loaded(tmp_path):
    tiny_engine().save(tmp_path / "none")
    engine = tiny_engine()
    learn(engine, HARBOUR)
    engine.load(tmp_path / "none")
    assert engine.documents == ()
    assert torch.equal(learned_logits(engine), logits(engine.host))


def test_a_checkpoint_of_another_model_is_refused_and_changes_nothing(tmp_path):
    engine = tiny_engine()
    learn(engine, HARBOUR)
    engine.save(tmp_path / "mine")
    other = tiny_engine(tiny_host(seed=7))
    learn(other, AVIARY)
    before = learned_logits(other)
    with pytest.raises(CheckpointError, match="tiny llama"):
        other.load(tmp_path / "mine")
    assert torch.equal(learned_logits(other), before)


@pytest.mark.parametrize("harm", ["cut tensors", "no tensors", "bad json", "layer", "newer"])
def test_a_damaged_checkpoint_is_refused_in_one_sentence(tmp_path, harm):
    engine = tiny_engine()
    learn(engine, HARBOUR)
    folder = tmp_path / "broken"
    engine.save(folder)
    manifest = folder / "manifest.json"
    content = json.loads(manifest.read_text())
    if harm == "cut tensors":
        file = folder / content["parts"][HARBOUR.id]["file"]
        file.write_bytes(file.read_bytes()[:-100])
    elif harm == "no tensors":
        (folder / content["parts"][HARBOUR.id]["file"]).unlink()
    elif harm == "bad json":
        manifest.write_text("{")
    elif harm == "layer":
        content["documents"][0]["layers"] = [99]
        manifest.write_text(json.dumps(content))
    else:
        content["version"] = 99
        manifest.write_text(json.dumps(content))
    fresh = tiny_engine()
    with pytest.raises(CheckpointError) as caught:
        fresh.load(folder)
    assert "\n" not in str(caught.value)
    assert fresh.documents == ()


def test_documents_that_cannot_be_learned_are_refused():
    engine = tiny_engine()
    with pytest.raises(DocumentError, match="tokens"):
        learn(engine, Document.from_text("Hi."))
    learn(engine, HARBOUR)
    with pytest.raises(DocumentError, match="already"):
        learn(engine, HARBOUR)


def test_a_long_document_is_cut_with_a_note_unless_told_otherwise():
    limited = learn(tiny_engine(max_tokens_per_document=50), HARBOUR)
    assert (limited.tokens_read, limited.tokens > 50) == (50, True)
    assert "read 50 of" in limited.notes[0]
    whole = learn(tiny_engine(max_tokens_per_document=0), HARBOUR)
    assert whole.tokens_read == whole.tokens
    assert whole.notes == ()


def test_layers_are_the_last_quarter_or_those_set():
    assert modified_layers(28, TTTSettings()) == tuple(range(21, 28))
    assert modified_layers(28, TTTSettings(layers_start=10, layers_end=12)) == (10, 11)
    with pytest.raises(EngineError, match="28"):
        modified_layers(28, TTTSettings(layers_start=28))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"alpha_initial": 1.0}, "alpha.initial"),
        ({"max_tokens_per_document": 3}, "ttt.max_tokens_per_document"),
        ({"mini_batch_size": 2000, "context_tokens": 100}, "ttt.context_tokens"),
    ],
)
def test_settings_that_teach_nothing_are_refused_by_name(settings, named):
    with pytest.raises(EngineError, match=named):
        tiny_engine(**settings)


def test_an_alpha_that_ends_at_zero_is_the_alpha_that_answers():
    engine = tiny_engine(alpha_min=0.0, alpha_decay_rate=1.0)
    assert learn(engine, HARBOUR).alpha == 0.0
    assert engine.alpha == 0.0
    learn(engine, AVIARY)
    assert engine.alpha == 0.0


def test_learning_inside_an_open_block_is_refused_by_its_cause():
    engine = tiny_engine()
    learn(engine, AVIARY)
    with engine.active(), pytest.raises(AlreadyInjectedError, match="active"):
        learn(engine, HARBOUR)


def test_the_held_out_loss_is_that_of_the_moment():
    engine = tiny_engine()
    base = engine.held_out_loss()
    report = learn(engine, HARBOUR)
    assert report.held_out_loss_before == pytest.approx(base)
    assert engine.held_out_loss() == pytest.approx(report.held_out_loss_after)
    engine.reset()
    assert engine.held_out_loss() == base


def test_a_checkpoint_of_other_layers_names_the_settings_to_change(tmp_path):
    engine = tiny_engine(layers_start=1, layers_end=3)
    learn(engine, HARBOUR)
    engine.save(tmp_path / "low")
    with pytest.raises(CheckpointError, match=r"layers_start 1 .*modified_layers_end 3"):
        tiny_engine(layers_start=3).load(tmp_path / "low")


@pytest.mark.parametrize(
    "change",
    [
        {"title": 5},
        {"loss_after": "x"},
        {"loss_before": float("nan")},
        {"layers": [-1]},
        {"tokens": None},
        {"colour": "blue"},
    ],
)
def test_a_manifest_with_odd_values_is_refused(tmp_path, change):
    engine = tiny_engine()
    learn(engine, HARBOUR)
    engine.save(tmp_path / "odd")
    manifest = tmp_path / "odd" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["documents"][0].update(change)
    manifest.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="damaged"):
        tiny_engine().load(tmp_path / "odd")


def test_a_long_document_is_recorded_within_the_budget(monkeypatch):
    whole = learn(tiny_engine(), HARBOUR)
    monkeypatch.setattr("engines.ttt.upper.RECORDED_BYTES", 20_000)  # the first windows only
    frugal = learn(tiny_engine(), HARBOUR)
    assert frugal.loss_after == whole.loss_after
    assert frugal.held_out_loss_after == whole.held_out_loss_after


def test_gate_statistics_are_counted_once_per_model(tmp_path):
    def calibrations(engine):
        return sum("calibrating" in e.stage for e in engine.learn(HARBOUR) if hasattr(e, "stage"))

    assert calibrations(tiny_engine(cache=tmp_path)) == 6
    assert calibrations(tiny_engine(cache=tmp_path)) == 0
    assert calibrations(tiny_engine(tiny_host(seed=3), cache=tmp_path)) == 6


def test_a_checkpoint_brings_the_gate_statistics_along(tmp_path):
    engine = tiny_engine(cache=tmp_path / "here")
    learn(engine, AVIARY)
    engine.save(tmp_path / "one")
    other = tiny_engine(cache=tmp_path / "elsewhere")
    other.load(tmp_path / "one")
    stages = [e.stage for e in other.learn(HARBOUR) if isinstance(e, Progress)]
    assert not any("calibrating" in stage for stage in stages)


def test_replies_stream_the_learned_model_and_leave_the_base_alone():
    engine = tiny_engine(gradient_steps=30)
    base = logits(engine.host)
    question, sampling = [Turn("user", "Who dug it?")], Sampling(max_new_tokens=12)
    plain = "".join(p.text for p in engine.reply(question, sampling))
    assert plain == "".join(p.text for p in engine.host.reply(question, sampling))
    learn(engine, HARBOUR)
    pieces = engine.reply(question, sampling)
    next(pieces)
    assert torch.equal(logits(engine.host), base)  # in the middle of a stream
    pieces.close()
    learned = "".join(p.text for p in engine.reply(question, sampling))
    assert learned != plain
