"""Learning, answering, forgetting, saving and loading with a tiny real model."""

from __future__ import annotations

import json

import pytest
import torch

from engines.abilities import HasLedger, HasStrength, Retrieves
from engines.jitrl.mvp import NOTHING_FOUND, NOTHING_LEARNED, JitRLMVPEngine
from engines.jitrl.settings import JitRLMVPSettings, PassageSettings
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
from tests.engines.learning import AVIARY, HARBOUR, learn, logits, tiny_engine, tiny_host

QUESTION = "Who is the harbour master that counts the boats?"
SHORT = Sampling(max_new_tokens=8)


@pytest.fixture(scope="module")
def host():
    return tiny_host()


@pytest.fixture
def engine(host):
    return JitRLMVPEngine(host)


def asked(engine, question=QUESTION, *before):
    pieces = list(engine.reply([*before, Turn("user", question)], SHORT))
    return pieces, pieces[0].retrieval


def found(engine, query=QUESTION):
    return [(p.document_id, p.number, p.text, p.score) for p in engine.retrieve(query).passages]


def state(engine):
    return engine.documents, found(engine), engine.muted


def test_it_is_an_engine_with_a_ledger_a_strength_and_a_search(engine):
    assert isinstance(engine, Engine)
    assert isinstance(engine, HasLedger)
    assert isinstance(engine, HasStrength)
    assert isinstance(engine, Retrieves)


def test_learning_tells_how_far_it_is_and_reports_the_chunks(host):
    engine = JitRLMVPEngine(
        host, JitRLMVPSettings(passages=PassageSettings(chunk_tokens=40, overlap_tokens=0))
    )
    *events, report = engine.learn(HARBOUR)
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert isinstance(report, LearnReport)
    assert report.tokens == report.tokens_read == len(host.encode(HARBOUR.text))
    assert report.chunks == sum(event.stage == "cutting" for event in events) > 1
    assert (report.loss_before, report.held_out_loss_after, report.passes) == (None, None, 0)
    assert engine.documents == (report,)
    assert engine.bytes_of(HARBOUR.id) > 0


def test_a_cancelled_learning_leaves_no_trace(engine):
    learn(engine, AVIARY)
    before = state(engine)
    events = sum(1 for _ in JitRLMVPEngine(engine.host).learn(HARBOUR))
    for after in range(1, events):
        learning = engine.learn(HARBOUR)
        for _ in range(after):
            next(learning)
        learning.close()
        assert state(engine) == before
    learn(engine, HARBOUR)


def test_the_base_is_bit_identical_inside_and_outside_the_block(engine):
    before = logits(engine.host)
    learn(engine, HARBOUR)
    with engine.active():
        assert torch.equal(logits(engine.host), before)


def test_an_answer_tells_first_what_was_found_and_put_into_the_prompt(engine):
    for document in (AVIARY, HARBOUR):
        learn(engine, document)
    pieces, retrieval = asked(engine)
    assert [piece.retrieval for piece in pieces[1:]] == [None] * (len(pieces) - 1)
    assert retrieval.query == QUESTION
    best = retrieval.passages[0]
    assert (best.document_id, best.reference, best.number) == (HARBOUR.id, 1, 1)
    assert best.text == HARBOUR.text[best.start : best.end]
    assert retrieval.context_tokens > 0
    assert retrieval.note is None
    assert sum(piece.tokens for piece in pieces) <= 8


def test_a_cited_answer_ends_with_its_citations(engine, monkeypatch):
    learn(engine, HARBOUR)
    words = " Ilse Brandt counts the boats"
    tokens = iter([*engine.host.tokenizer(words, add_special_tokens=False)["input_ids"], 2])
    monkeypatch.setattr("engines.host.TokenChooser.choose", lambda *_: next(tokens))
    sampling = Sampling(max_new_tokens=64)
    pieces = list(engine.reply([Turn("user", QUESTION)], sampling))
    assert "".join(piece.text for piece in pieces) == f"{words} [1]"
    (citation,) = pieces[-1].citations
    assert (citation.document_id, citation.number) == (HARBOUR.id, 1)
    assert "Ilse Brandt" in citation.passage[citation.start : citation.end]
    assert all(piece.citations == () for piece in pieces[:-1])


def test_nothing_relevant_is_said_and_answered_without_context(engine):
    learn(engine, HARBOUR)
    question = "Why do zebras yawn?"
    pieces, retrieval = asked(engine, question)
    assert retrieval.note == NOTHING_FOUND
    assert retrieval.passages == () and retrieval.context_tokens == 0
    base = list(engine.host.reply([Turn("user", question)], SHORT))
    assert pieces[1:] == base


def test_before_anything_is_learned_the_base_answers_and_it_is_said(engine):
    pieces, retrieval = asked(engine)
    assert retrieval.note == NOTHING_LEARNED
    assert pieces[1:] == list(engine.host.reply([Turn("user", QUESTION)], SHORT))


def test_a_question_without_a_word_is_answered_and_not_looked_up(engine):
    learn(engine, HARBOUR)
    assert asked(engine, "?!")[1].passages == ()
    with pytest.raises(EngineError, match="no word"):
        engine.retrieve("?!")


def test_a_very_short_follow_up_is_looked_up_with_the_question_before(engine):
    learn(engine, HARBOUR)
    before = (Turn("user", "What is the crane made of?"), Turn("assistant", "Larch."))
    retrieval = asked(engine, "and when?", *before)[1]
    assert retrieval.query == "What is the crane made of? and when?"
    assert retrieval.passages


def test_a_query_of_ten_thousand_words_is_looked_up_but_too_long_to_answer(engine):
    learn(engine, HARBOUR)
    query = "harbour boats " * 5000
    assert engine.retrieve(query).passages
    with pytest.raises(EngineError, match="shorten it"):
        asked(engine, query)


def test_strength_is_a_dial_and_zero_answers_as_without_a_nudge(engine):
    learn(engine, HARBOUR)
    assert engine.strength == JitRLMVPSettings().strength == 0
    plain, retrieval = asked(engine)
    assert retrieval.nudges == () and all(piece.nudge is None for piece in plain)
    engine.strength = engine.strength_limit
    pieces, retrieval = asked(engine)
    assert retrieval.nudges and any(piece.nudge is not None for piece in pieces)
    engine.strength = 0
    assert asked(engine)[0] == plain
    with pytest.raises(EngineError, match="from 0 to 10"):
        engine.strength = -1.0


def test_learning_the_same_text_again_is_refused(engine):
    learn(engine, HARBOUR)
    with pytest.raises(DocumentError, match="forget it first"):
        learn(engine, HARBOUR)


def test_odd_documents_are_refused_or_found_and_disturb_nothing(engine):
    learn(engine, HARBOUR)
    before = found(engine)
    for text in ("", "  \n", "—…!", "***\n\n---"):
        with pytest.raises(DocumentError, match="no words"):
            learn(engine, Document("f" * 12, "Odd", text))
    assert found(engine) == before
    for text in ("東京タワーは一九五八年に建てられた。", "x" * 5000, "Ж", "7"):
        learn(engine, Document.from_text(text, "Odd"))
    assert engine.retrieve("東京タワー").passages[0].text.startswith("東京")
    assert found(engine)[0][:3] == before[0][:3]


def test_a_muted_document_is_not_retrieved_and_a_knock_out_ends(engine):
    for document in (HARBOUR, AVIARY):
        learn(engine, document)
    before = found(engine)
    engine.mute(HARBOUR.id)
    assert HARBOUR.id not in {document_id for document_id, *_ in found(engine)}
    engine.mute(HARBOUR.id, False)
    with engine.without([HARBOUR.id]):
        assert HARBOUR.id not in {document_id for document_id, *_ in found(engine)}
        with engine.without([AVIARY.id]):
            assert engine.retrieve(QUESTION).note == NOTHING_LEARNED
    assert found(engine) == before
    with pytest.raises(EngineError, match="No learned document"), engine.without(["nobody"]):
        pass


def test_the_ledger_can_be_put_in_another_order(engine):
    for document in (HARBOUR, AVIARY):
        learn(engine, document)
    before = found(engine)
    engine.move(AVIARY.id, 0)
    assert [report.id for report in engine.documents] == [AVIARY.id, HARBOUR.id]
    assert found(engine) == before
    with pytest.raises(EngineError, match="no position 2"):
        engine.move(AVIARY.id, 2)


def test_forgetting_takes_a_document_out_as_if_it_had_never_been(engine):
    learn(engine, HARBOUR)
    before = state(engine)
    learn(engine, AVIARY)
    engine.forget(AVIARY.id)
    assert state(engine) == before
    with pytest.raises(EngineError, match="No learned document"):
        engine.forget(AVIARY.id)
    engine.reset()
    assert engine.documents == ()
    assert engine.retrieve(QUESTION).passages == ()


def test_what_was_saved_after_a_forgetting_is_found_again(engine, tmp_path):
    third = Document.from_text("The mill of Orn grinds oats for the harbour master's horses.")
    for document in (HARBOUR, AVIARY, third):
        learn(engine, document)
    engine.forget(AVIARY.id)
    engine.mute(third.id)
    engine.save(tmp_path / "state")
    other = JitRLMVPEngine(engine.host)
    learn(other, AVIARY)
    other.load(tmp_path / "state")
    assert state(other) == state(engine)
    engine.strength = other.strength = 3.0
    assert asked(other) == asked(engine)
    other.forget(HARBOUR.id)
    learn(other, HARBOUR)


@pytest.mark.parametrize(
    "damage",
    [
        {"muted": "no"},
        {"chunks": "three"},
        {"tokens": None},
        {"bytes": -1},
        {"colour": "red"},
        {"id": "0" * 12},
    ],
)
def test_a_damaged_row_is_refused_and_changes_nothing(engine, tmp_path, damage):
    learn(engine, HARBOUR)
    engine.save(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["documents"][0] |= damage
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    other = JitRLMVPEngine(engine.host)
    learn(other, AVIARY)
    before = state(other)
    with pytest.raises(CheckpointError, match="damaged"):
        other.load(tmp_path)
    assert state(other) == before


def test_a_part_cut_short_or_of_other_values_is_refused(engine, tmp_path):
    from safetensors.torch import load_file, save

    from engines import checkpoints

    learn(engine, HARBOUR)
    engine.save(tmp_path)
    (file,) = tmp_path.glob("*.safetensors")
    tensors = load_file(file)
    manifest = checkpoints.read_manifest(tmp_path)
    for name in tensors:
        less = {key: tensor[:-1] if key == name else tensor for key, tensor in tensors.items()}
        checkpoints.write(tmp_path / name, manifest, {HARBOUR.id: less})
        with pytest.raises(CheckpointError, match="damaged"):
            JitRLMVPEngine(engine.host).load(tmp_path / name)
    file.write_bytes(save(tensors)[:-5])
    with pytest.raises(CheckpointError, match="damaged"):
        JitRLMVPEngine(engine.host).load(tmp_path)


def test_another_engines_or_models_state_is_refused(engine, tmp_path):
    learn(engine, HARBOUR)
    engine.save(tmp_path / "mvp")
    with pytest.raises(CheckpointError, match="whose weights differ"):
        JitRLMVPEngine(tiny_host(seed=1)).load(tmp_path / "mvp")
    tiny_engine(engine.host).save(tmp_path / "ttt")
    with pytest.raises(CheckpointError, match="belongs to the engine"):
        engine.load(tmp_path / "ttt")
    assert [report.id for report in engine.documents] == [HARBOUR.id]


def test_what_would_change_the_ledger_waits_for_the_end_of_a_learning(engine):
    learn(engine, AVIARY)
    learning = engine.learn(HARBOUR)
    next(learning)
    for change in (
        engine.reset,
        lambda: engine.forget(AVIARY.id),
        lambda: engine.mute(AVIARY.id),
        lambda: next(engine.learn(HARBOUR)),
    ):
        with pytest.raises(EngineError, match="learning already"):
            change()
    learning.close()
    engine.forget(AVIARY.id)
