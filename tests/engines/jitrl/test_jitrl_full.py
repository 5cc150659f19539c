"""Learning states, answering by them, verdicts, saving and loading with a tiny real model."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from engines.abilities import (
    HasLedger,
    HasStrength,
    MeasuresRecall,
    Recall,
    Retrieves,
    TakesFeedback,
)
from engines.jitrl.full import JitRLFullEngine
from engines.jitrl.mvp import NOTHING_LEARNED
from engines.jitrl.settings import JitRLFullSettings, PassageSettings
from engines.protocol import (
    CheckpointError,
    Document,
    DocumentError,
    Engine,
    EngineError,
    LearnReport,
    Progress,
    Sampling,
    Turn,
)
from tests.engines.learning import AVIARY, HARBOUR, logits, tiny_host

SETTINGS = JitRLFullSettings(
    passages=PassageSettings(chunk_tokens=48, overlap_tokens=12), window=64, window_overlap=32
)
# The opening of the document, so that the states of the "question" are those of its text.
OPENING, REST = HARBOUR.text[: HARBOUR.text.index(" forty")], " forty women from Oster"
PROMPT = [Turn("user", OPENING)]
SHORT = Sampling(max_new_tokens=8, temperature=0.0)


@pytest.fixture(scope="module")
def host():
    return tiny_host()


@pytest.fixture
def plain_host(host):
    """The same model without a chat template: its prompt is plain text."""
    from engines.host import ModelHost
    from tests.engines.tiny import tiny_tokenizer

    return ModelHost(model=host.model, tokenizer=tiny_tokenizer(chat=False), name="tiny llama")


@pytest.fixture
def engine(host, tmp_path):
    return JitRLFullEngine(host, SETTINGS, folder=tmp_path / "states")


@pytest.fixture
def plain(plain_host, tmp_path):
    engine = JitRLFullEngine(plain_host, SETTINGS, folder=tmp_path / "states")
    learned(engine, HARBOUR, AVIARY)
    return engine


def learned(engine, *documents):
    for document in documents:
        report = [*engine.learn(document)][-1]
        assert isinstance(report, LearnReport)
    return engine


def recalled(engine, document) -> Recall:
    last = [*engine.recall(document)][-1]
    assert isinstance(last, Recall)
    return last


def answered(engine, turns=PROMPT, sampling=SHORT):
    pieces = [*engine.reply(turns, sampling)]
    return pieces, "".join(piece.text for piece in pieces)


def files(engine_folder):
    return sorted(path for path in engine_folder.rglob("*") if path.is_file())


def returns(engine):
    return [engine._knowledge.returns.of(report.id).clone() for report in engine.documents]


def test_it_is_an_engine_that_can_be_steered_rated_and_asked(engine):
    for ability in (Engine, HasLedger, HasStrength, MeasuresRecall, Retrieves, TakesFeedback):
        assert isinstance(engine, ability)


def test_learning_tells_how_far_it_is_and_reports_the_loss(engine, host):
    *events, report = engine.learn(HARBOUR)
    reading = [event for event in events if event.stage == "reading"]
    assert all(isinstance(event, Progress) for event in events)
    assert len(reading) > 1
    assert reading[-1].fraction == 1.0
    assert report.loss_before == pytest.approx(reading[-1].loss)
    assert report.tokens == len(host.encode(HARBOUR.text))
    assert report.chunks > 1
    assert engine.documents == (report,)
    assert engine.bytes_of(HARBOUR.id) > report.tokens * 32 * 2


def test_what_was_learned_is_predicted_better_and_another_text_as_before(engine):
    learned(engine, HARBOUR)
    own, other = recalled(engine, HARBOUR), recalled(engine, AVIARY)
    assert own.base_loss == pytest.approx(engine.documents[0].loss_before)
    assert own.loss < own.base_loss / 2
    assert abs(other.loss / other.base_loss - 1) < 0.05


def test_interpolation_helps_too(host):
    mixed = dataclasses.replace(SETTINGS, mix="interpolate", share=0.5)
    own = recalled(learned(JitRLFullEngine(host, mixed), HARBOUR), HARBOUR)
    assert own.loss < own.base_loss / 2


@pytest.mark.parametrize("layer_and_width", [(1, 0), (None, 16)])
def test_other_layers_and_narrower_states_learn_too(host, layer_and_width):
    layer, width = layer_and_width
    engine = JitRLFullEngine(host, dataclasses.replace(SETTINGS, layer=layer, projection=width))
    own = recalled(learned(engine, HARBOUR), HARBOUR)
    assert own.loss < own.base_loss


def test_an_answer_follows_the_document_and_tells_by_which_chunks(plain):
    pieces, text = answered(plain)
    told = pieces[0].retrieval
    assert told is not None
    assert HARBOUR.id in {passage.document_id for passage in told.passages}
    assert all(piece.retrieval is None for piece in pieces[1:])
    assert REST.startswith(text[:6])
    assert len(text) >= 6
    nudges = [piece.nudge for piece in pieces if piece.nudge and piece.nudge.amount > 1]
    assert nudges
    assert all(told.passages[n].text for nudge in nudges for n in nudge.passages)
    assert any(nudge.passages for nudge in nudges)


def test_strength_0_is_the_models_own_answer(plain):
    own = "".join(piece.text for piece in plain.host.reply(PROMPT, SHORT))
    assert answered(plain)[1] != own
    plain.strength = 0
    pieces, text = answered(plain)
    assert text == own
    assert pieces[0].retrieval.passages
    assert not any(piece.nudge for piece in pieces)
    score = recalled(plain, HARBOUR)
    assert score.loss == score.base_loss


def test_a_share_of_0_is_the_models_own_answer(plain_host):
    mixed = dataclasses.replace(SETTINGS, mix="interpolate", share=0.0)
    engine = learned(JitRLFullEngine(plain_host, mixed), HARBOUR)
    own = "".join(piece.text for piece in plain_host.reply(PROMPT, SHORT))
    assert answered(engine)[1] == own


def test_the_base_is_the_same_to_the_bit_while_and_after_answering(plain):
    before = logits(plain.host)
    stream = plain.reply(PROMPT, SHORT)
    next(stream), next(stream)
    assert torch.equal(logits(plain.host), before)
    stream.close()
    assert torch.equal(logits(plain.host), before)


def test_nothing_learned_is_the_models_own_answer_with_a_note(engine):
    pieces, text = answered(engine)
    assert pieces[0].retrieval.note == NOTHING_LEARNED
    assert text == "".join(piece.text for piece in engine.host.reply(PROMPT, SHORT))
    assert engine.retrieve("boats").note == NOTHING_LEARNED


@pytest.mark.parametrize("events", [1, 2, 3])
def test_closing_early_leaves_no_trace(engine, tmp_path, events):
    stream = engine.learn(HARBOUR)
    for _ in range(events):
        next(stream)
    stream.close()
    assert engine.documents == ()
    assert files(tmp_path) == []
    learned(engine, HARBOUR)


def test_a_document_of_no_words_or_learned_already_is_refused(engine):
    learned(engine, HARBOUR)
    with pytest.raises(DocumentError, match="learned already"):
        next(engine.learn(HARBOUR))
    with pytest.raises(DocumentError, match="no words"):
        next(engine.learn(Document.from_text("…… ——")))


def test_the_engine_can_do_nothing_else_while_it_learns(engine, tmp_path):
    stream = engine.learn(HARBOUR)
    next(stream)
    for act in (engine.reset, engine.undo_rating, lambda: engine.load(tmp_path)):
        with pytest.raises(EngineError, match="learning already"):
            act()
    stream.close()


def test_thumbs_down_lowers_what_was_used_and_undo_restores_it_to_the_bit(plain):
    pieces, text = answered(plain)
    before = returns(plain)
    verdict = plain.rate("down")
    assert (verdict.rating, verdict.question, verdict.answer) == ("down", PROMPT[0].content, text)
    assert verdict.tokens > 0
    assert sum(int((a < b).sum()) for a, b in zip(returns(plain), before, strict=True)) > 0
    assert plain.feedback == (verdict,)
    again, _ = answered(plain)
    first, second = (next(p.nudge for p in found if p.nudge) for found in (pieces, again))
    assert second.amount < first.amount
    assert plain.undo_rating() == verdict
    assert all(torch.equal(a, b) for a, b in zip(returns(plain), before, strict=True))
    assert answered(plain)[1] == text


def test_the_same_question_answers_differently_after_thumbs_down(plain):
    _, text = answered(plain)
    plain.rate("down")
    _, again = answered(plain)
    assert again != text
    plain.undo_rating()
    assert answered(plain)[1] == text


def test_thumbs_up_makes_the_same_answer_likelier(plain):
    pieces, text = answered(plain)
    plain.rate("up")
    again, repeated = answered(plain)
    assert repeated == text
    amounts = [[p.nudge.amount for p in found if p.nudge] for found in (pieces, again)]
    assert sum(amounts[1]) > sum(amounts[0])


def test_every_word_of_the_answer_is_judged_alike(plain):
    answered(plain)
    plain.rate("down")
    lowered = torch.cat(returns(plain))
    assert (lowered < 0).sum() >= 6  # the answer is eight tokens, each from a row of its own


def test_a_question_that_failed_leaves_no_older_answer_to_rate(plain):
    answered(plain)
    with pytest.raises(EngineError):
        [*plain.reply([Turn("user", "boats " * 9_000)], SHORT)]
    with pytest.raises(EngineError, match="nothing that is stored"):
        plain.rate("down")
    assert plain.feedback == ()


def test_forgetting_what_a_rated_answer_used_takes_the_verdict_too(plain):
    answered(plain)
    plain.rate("up")
    for document in [*plain.documents]:
        plain.forget(document.id)
    with pytest.raises(EngineError, match="nothing that is stored"):
        plain.rate("up")


def test_an_answer_is_rated_once_until_that_is_undone(plain):
    with pytest.raises(EngineError, match="no answer"):
        plain.rate("up")
    answered(plain)
    plain.rate("up")
    with pytest.raises(EngineError, match="rated already"):
        plain.rate("up")
    plain.undo_rating()
    assert plain.rate("down").rating == "down"


def test_an_answer_that_used_nothing_cant_be_rated(plain):
    plain.strength = 0
    answered(plain)
    with pytest.raises(EngineError, match="nothing that is stored"):
        plain.rate("up")


def test_passages_go_into_the_prompt_where_that_is_set(host):
    engine = learned(
        JitRLFullEngine(host, dataclasses.replace(SETTINGS, context_chunks=1)), HARBOUR, AVIARY
    )
    told = answered(engine)[0][0].retrieval
    assert [passage.reference for passage in told.passages].count(1) == 1
    assert told.context_tokens > 0


def test_muted_and_left_out_documents_dont_count(engine):
    learned(engine, HARBOUR, AVIARY)
    with engine.without([HARBOUR.id]):
        score = recalled(engine, HARBOUR)
        assert score.loss > score.base_loss * 0.98
        assert {p.document_id for p in engine.retrieve("boats").passages} == {AVIARY.id}
    engine.mute(HARBOUR.id)
    engine.mute(AVIARY.id)
    assert engine.muted == {HARBOUR.id, AVIARY.id}
    score = recalled(engine, HARBOUR)
    assert score.loss == score.base_loss
    engine.mute(HARBOUR.id, muted=False)
    assert recalled(engine, HARBOUR).loss < score.base_loss


def test_forgetting_takes_back_the_effect_and_the_file(engine, tmp_path):
    learned(engine, HARBOUR, AVIARY)
    engine.move(AVIARY.id, 0)
    engine.forget(HARBOUR.id)
    assert [report.id for report in engine.documents] == [AVIARY.id]
    assert len(files(tmp_path)) == 1
    score = recalled(engine, HARBOUR)
    assert score.loss > score.base_loss * 0.98
    engine.reset()
    assert files(tmp_path) == []
    with pytest.raises(EngineError, match="No learned document"):
        engine.forget(HARBOUR.id)


def test_an_answer_whose_documents_were_forgotten_cant_be_rated(plain):
    answered(plain)
    plain.forget(HARBOUR.id)
    plain.forget(AVIARY.id)
    with pytest.raises(EngineError, match="nothing that is stored"):
        plain.rate("up")


def test_a_document_may_be_forgotten_while_an_answer_streams(plain):
    stream = plain.reply(PROMPT, SHORT)
    for _ in range(3):
        next(stream)
    plain.forget(HARBOUR.id)
    plain.forget(AVIARY.id)
    list(stream)
    with pytest.raises(EngineError, match="nothing that is stored"):
        plain.rate("up")


def test_an_answer_that_was_stopped_can_be_rated(plain):
    stream = plain.reply(PROMPT, SHORT)
    text = [next(stream).text for _ in range(4)]
    stream.close()
    assert plain.rate("up").answer == "".join(text)


def test_a_folder_that_cant_be_made_is_told_of(host, tmp_path):
    (tmp_path / "file").write_text("in the way")
    engine = JitRLFullEngine(host, SETTINGS, folder=tmp_path / "file" / "states")
    with pytest.raises(EngineError):
        list(engine.learn(HARBOUR))
    assert engine.documents == ()


def test_saving_and_loading_gives_the_same(plain, tmp_path):
    answered(plain)
    plain.rate("down")
    plain.mute(AVIARY.id)
    plain.save(tmp_path / "saved")
    other = JitRLFullEngine(plain.host, SETTINGS)
    other.load(tmp_path / "saved")
    assert other.documents == plain.documents
    assert other.muted == plain.muted
    assert other.feedback == plain.feedback
    assert recalled(other, HARBOUR) == recalled(plain, HARBOUR)
    assert answered(other) == answered(plain)
    assert other.bytes_of(HARBOUR.id) == plain.bytes_of(HARBOUR.id)
    plain.reset()
    other.forget(HARBOUR.id)
    plain.load(tmp_path / "saved")
    assert len(plain.documents) == 2


def test_states_of_another_layer_or_width_are_refused(engine, tmp_path):
    learned(engine, HARBOUR).save(tmp_path / "saved")
    for change, word in (({"layer": 1}, "jitrl_full.layer"), ({"projection": 8}, "projection")):
        other = JitRLFullEngine(engine.host, dataclasses.replace(SETTINGS, **change))
        with pytest.raises(CheckpointError, match=word):
            other.load(tmp_path / "saved")
        assert other.documents == ()


@pytest.mark.parametrize("damage", ["cut", "gone", "verdicts", "kind", "row"])
def test_a_damaged_checkpoint_is_refused_and_changes_nothing(engine, tmp_path, damage):
    learned(engine, HARBOUR).save(tmp_path / "saved")
    learned(engine, AVIARY)
    manifest = tmp_path / "saved" / "manifest.json"
    data = json.loads(manifest.read_text())
    states = tmp_path / "saved" / data["parts"][f"{HARBOUR.id}-states"]["file"]
    content = states.read_bytes()
    states.unlink()  # it is a link to the engine's own file, which must stay whole
    if damage == "cut":
        states.write_bytes(content[:-100])
    elif damage != "gone":
        states.write_bytes(content)
        if damage == "verdicts":
            data["feedback"] = [{"rate": 1}]
        elif damage == "kind":
            data["states"] = None
        else:
            data["documents"][0]["chunks"] += 1
        manifest.write_text(json.dumps(data))
    before, score, kept = engine.documents, recalled(engine, HARBOUR), files(tmp_path / "states")
    with pytest.raises(CheckpointError):
        engine.load(tmp_path / "saved")
    assert engine.documents == before
    assert recalled(engine, HARBOUR) == score
    assert files(tmp_path / "states") == kept


def test_settings_and_strength_out_of_range_are_refused(engine, host):
    assert engine.strength_limit == 32
    with pytest.raises(EngineError, match="from 0 to 32"):
        engine.strength = 33
    for change in ({"share": 2.0}, {"feedback_rate": -1.0}, {"neighbours": 0}, {"layer": 9}):
        with pytest.raises(EngineError, match="jitrl_full"):
            JitRLFullEngine(host, dataclasses.replace(SETTINGS, **change))
