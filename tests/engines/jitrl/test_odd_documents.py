"""Odd documents and questions in both JitRL engines: refused in one sentence, or harmless."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.jitrl.full import JitRLFullEngine
from engines.jitrl.mvp import NOTHING_FOUND, JitRLMVPEngine
from engines.jitrl.settings import JitRLFullSettings, PassageSettings
from engines.protocol import Document, DocumentError, EngineError, LearnReport, Sampling, Turn
from tests.engines.learning import AVIARY, HARBOUR, learn, tiny_host

FULL = JitRLFullSettings(
    passages=PassageSettings(chunk_tokens=48, overlap_tokens=12), window=64, window_overlap=32
)
SHORT = Sampling(max_new_tokens=3)
WORDLESS = {
    "punctuation": "…!?—;:,.()[]" * 20,
    "emoji": "🙂🚀👩‍👩‍👧🇪🇪 " * 10,
    "controls": "\x00\x01\x1b[\x7f\x85\u200b\ufeff" * 10,
    "marks alone": "\u0301\u0308\u20dd" * 10,
}
ODD = {
    "controls between words": "The\x00lamp\x01of\x1b[31mTobias\x7f was\u200b lit.\x0c\x0b\x85",
    "right to left": "بُنيت المنارة من حجر الغرانيت عام ألف وثمانمئة. المفتاح عند توبياس.",
    "hebrew with marks": "בְּרֵאשִׁית בָּרָא אֱלֹהִים אֵת הַשָּׁמַיִם וְאֵת הָאָרֶץ",
    "direction marks": "\u202eThe lamp of Tobias\u202c was \u2066lit\u2069.",
    "combining": "Le\u0301gende de l'e\u0301te\u0301 a\u0300 Ou\u0308lu\u0323: Za\u0358lgo" * 5,
    "many marks": "e" + "\u0301" * 500 + " lamp",
    "wide letters": "Ｔｈｅ ｌａｍｐ 𝕠𝕗 𝕋𝕠𝕓𝕚𝕒𝕤",
    "emoji and a word": "🙂" * 300 + " lamp",
    "one sign, two tokens": "猫",
    "line ends": "The lamp\r\n\r\nof Tobias\r\rwas lit.\r\n",
}
OTHER_SCRIPT = "אִילְסֶה בְּרַנְדְט סוֹפֶרֶת סִירוֹת"


@pytest.fixture(scope="module")
def host():
    return tiny_host()


@pytest.fixture(params=["mvp", "full"])
def make(request, host, tmp_path):
    """Makes engines of one kind, each with nothing learned."""
    if request.param == "mvp":
        return lambda: JitRLMVPEngine(host)
    return lambda: JitRLFullEngine(host, FULL, folder=tmp_path / "states")


@pytest.fixture
def engine(make):
    made = make()
    learn(made, HARBOUR)
    return made


def asked(engine, question):
    return list(engine.reply([Turn("user", question)], SHORT))


def found(engine, query="Who counts the boats?"):
    return [(p.document_id, p.number, p.text) for p in engine.retrieve(query).passages]


@pytest.mark.parametrize("text", WORDLESS.values(), ids=WORDLESS.keys())
def test_a_text_without_a_word_is_refused_and_leaves_no_trace(engine, text):
    before = found(engine)
    with pytest.raises(DocumentError, match="no words"):
        learn(engine, Document("f" * 12, "Odd", text))
    assert found(engine) == before
    assert [report.id for report in engine.documents] == [HARBOUR.id]


def test_half_a_character_is_refused_and_told_how_to_replace(make):
    engine = make()
    with pytest.raises(DocumentError, match="half a character"):
        learn(engine, Document("f" * 12, "Odd", "The lamp \ud800 of Tobias."))
    learn(engine, Document.from_text("The lamp \ud800 of Tobias.", "Odd"))


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_an_odd_text_is_learned_asked_of_saved_loaded_and_forgotten(make, engine, tmp_path, text):
    before = found(engine)
    document = Document(sha256(text.encode()).hexdigest()[:12], "Odd", text)
    report = learn(engine, document)
    assert asked(engine, text[:200]) and found(engine)
    engine.save(tmp_path / "saved")
    other = make()
    other.load(tmp_path / "saved")
    assert other.documents == (engine.documents[0], report)
    assert found(other) == found(engine)
    assert other.bytes_of(document.id) == engine.bytes_of(document.id)
    engine.forget(document.id)
    assert found(engine) == before


def test_a_single_token_is_a_document_of_the_one_and_refused_by_the_other(make):
    engine, one = make(), Document.from_text("7", "Seven")
    if isinstance(engine, JitRLMVPEngine):
        assert learn(engine, one).tokens == 1
        assert engine.retrieve("7").passages
        return
    with pytest.raises(DocumentError, match="single token"):
        learn(engine, one)
    assert engine.documents == ()


def test_the_same_text_under_another_title_is_the_same_document(engine):
    again = Document.from_text(HARBOUR.text, "Another title")
    with pytest.raises(DocumentError, match="learned already"):
        learn(engine, again)
    assert len(engine.documents) == 1


def test_documents_of_the_same_title_are_kept_apart(engine):
    same = Document.from_text(AVIARY.text, HARBOUR.title)
    learn(engine, same)
    assert [report.title for report in engine.documents] == [HARBOUR.title] * 2
    engine.forget(HARBOUR.id)
    assert {document_id for document_id, *_ in found(engine, "parrots")} == {same.id}


def test_forgetting_in_the_middle_leaves_what_was_never_there(make, engine):
    third = Document.from_text("The mill of Orn grinds oats for the harbour master's horses.")
    for document in (AVIARY, third):
        learn(engine, document)
    engine.forget(AVIARY.id)
    fresh = make()
    for document in (HARBOUR, third):
        learn(fresh, document)
    for question in ("Who counts the boats?", "What does the mill grind?", "parrots"):
        assert found(engine, question) == found(fresh, question)
        assert asked(engine, question) == asked(fresh, question)


def test_an_update_is_a_forgetting_and_a_learning_anew(make, engine):
    learn(engine, AVIARY)
    newer = Document.from_text(HARBOUR.text.replace("forty women", "fifty men"), HARBOUR.title)
    engine.forget(HARBOUR.id)
    learn(engine, newer)
    assert [report.id for report in engine.documents] == [AVIARY.id, newer.id]
    texts = [text for *_, text in found(engine, "Who dug the harbour of Vell?")]
    assert any("fifty men" in text for text in texts)
    assert not any("forty women" in text for text in texts)


def test_a_question_of_ten_thousand_words_is_looked_up_and_too_long_to_answer(engine):
    question = "harbour boats " * 5000
    assert engine.retrieve(question).passages
    with pytest.raises(EngineError, match="shorten it"):
        asked(engine, question)
    assert asked(engine, "Who counts the boats?")


@pytest.mark.parametrize("question", [OTHER_SCRIPT, "who is it that was to be", "\x00 a \x00"])
def test_an_odd_question_is_answered(engine, question):
    pieces = asked(engine, question)
    told = pieces[0].retrieval
    assert told.query == question.strip()
    assert sum(piece.tokens for piece in pieces) <= 3
    if isinstance(engine, JitRLMVPEngine):
        assert (told.passages, told.note) == ((), NOTHING_FOUND)
        assert pieces[1:] == list(engine.host.reply([Turn("user", question)], SHORT))


@settings(max_examples=30, deadline=None)
@given(text=st.text(max_size=80))
def test_any_text_is_learned_and_forgotten_or_refused(host, text):
    engine = JitRLMVPEngine(host)
    learn(engine, HARBOUR)
    before = found(engine)
    document = Document("f" * 12, "Any", text)
    try:
        report = learn(engine, document)
    except DocumentError:
        assert not any(letter.isalnum() for letter in text)
    else:
        assert isinstance(report, LearnReport)
        assert report.tokens == len(host.encode(text))
        engine.retrieve("Who counts the boats?")
        engine.forget(document.id)
    assert found(engine) == before
