"""A file that was changed and learned again takes the place of its earlier version."""

from __future__ import annotations

import dataclasses

import pytest

from engines.jitrl.full import JitRLFullEngine
from engines.jitrl.ledger import REPLACES, REPLACES_MUTED, Entry, Ledger
from engines.jitrl.mvp import JitRLMVPEngine
from engines.jitrl.settings import JitRLFullSettings, PassageSettings
from engines.protocol import Document, Sampling, Turn
from tests.engines.learning import AVIARY, HARBOUR, learn, tiny_host

FULL = JitRLFullSettings(
    passages=PassageSettings(chunk_tokens=48, overlap_tokens=12), window=64, window_overlap=32
)
QUESTION = "Who dug the harbour of Vell?"
NEWER_TEXT = HARBOUR.text.replace("forty women", "fifty men")


def from_file(text, path="notes/harbour.md"):
    return Document.from_text(text, path=path)


OLDER, NEWER = from_file(HARBOUR.text), from_file(NEWER_TEXT)


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
    return learned(make())


@pytest.fixture
def mvp(host):
    return learned(JitRLMVPEngine(host))


def learned(engine):
    for document in (OLDER, AVIARY):
        learn(engine, document)
    return engine


def ids(engine):
    return [report.id for report in engine.documents]


def found(engine):
    return [(p.document_id, p.text) for p in engine.retrieve(QUESTION).passages]


def says(engine, words):
    return any(words in text for _, text in found(engine))


def test_the_newer_version_stands_and_answers_in_place_of_the_older(engine):
    report = learn(engine, NEWER)
    assert report.notes == (REPLACES,)
    assert engine.documents[0] == report
    assert ids(engine) == [NEWER.id, AVIARY.id]
    assert says(engine, "fifty men") and not says(engine, "forty women")
    engine.forget(NEWER.id)
    assert ids(engine) == [AVIARY.id]


def test_going_back_to_the_older_text_is_an_update_too(engine):
    learn(engine, NEWER)
    learn(engine, OLDER)
    assert ids(engine) == [OLDER.id, AVIARY.id]
    assert says(engine, "forty women") and not says(engine, "fifty men")


def test_an_update_of_a_muted_document_stays_muted_and_says_so(engine):
    engine.mute(OLDER.id)
    assert learn(engine, NEWER).notes == (REPLACES_MUTED,)
    assert engine.muted == {NEWER.id}
    assert NEWER.id not in {document_id for document_id, _ in found(engine)}
    engine.mute(NEWER.id, False)
    assert NEWER.id in {document_id for document_id, _ in found(engine)}


def test_a_cancelled_update_leaves_the_older_version_as_it_was(engine, make):
    before = engine.documents, found(engine)
    events = sum(1 for _ in make().learn(NEWER))
    for after in range(1, events):
        learning = engine.learn(NEWER)
        for _ in range(after):
            next(learning)
        assert (engine.documents, found(engine)) == before
        learning.close()
        assert (engine.documents, found(engine)) == before


def test_other_files_and_texts_without_a_file_are_never_replaced(make):
    engine = make()
    documents = [
        HARBOUR,
        Document.from_text(NEWER_TEXT, HARBOUR.title),
        from_file(AVIARY.text),
        from_file("The mill of Orn grinds oats.", "other/harbour.md"),
    ]
    assert all(learn(engine, document).notes == () for document in documents)
    assert ids(engine) == [document.id for document in documents]


def test_an_update_is_saved_and_loaded_in_its_place(make, engine, tmp_path):
    learn(engine, NEWER)
    engine.save(tmp_path / "state")
    other = make()
    other.load(tmp_path / "state")
    assert (other.documents, found(other)) == (engine.documents, found(engine))
    learn(other, OLDER)
    assert ids(other) == [OLDER.id, AVIARY.id]


def test_the_words_of_an_older_version_count_no_more_in_how_rare_a_word_is(mvp):
    fresh = JitRLMVPEngine(mvp.host)
    for document in (NEWER, AVIARY):
        learn(fresh, document)
    mvp.strength = fresh.strength = 4.0
    assert first_nudges(mvp) != first_nudges(fresh)
    learn(mvp, NEWER)
    assert first_nudges(mvp) == first_nudges(fresh)


def first_nudges(engine):
    pieces = engine.reply([Turn("user", QUESTION)], Sampling(max_new_tokens=1))
    return next(iter(pieces)).retrieval.nudges


def test_all_versions_of_a_file_that_lie_side_by_side_go_at_once():
    ledger = Ledger()
    texts = [OLDER, AVIARY, NEWER, from_file(HARBOUR.text + " It is deep.")]
    entries = [Entry(Ledger().report_on(one, 9, 1, 1.0), 5) for one in texts]
    for entry in entries[:3]:
        ledger.add(entry)
    ledger.mute(OLDER.id, True)
    assert ledger.put(entries[3]) == (OLDER.id, NEWER.id)
    assert ledger.entries == (dataclasses.replace(entries[3], muted=False), entries[1])


def test_an_answer_of_an_earlier_version_is_followed_by_one_of_the_newer(engine):
    asked(engine)
    learn(engine, NEWER)
    told = asked(engine)[0].retrieval
    assert OLDER.id not in {passage.document_id for passage in told.passages}


def asked(engine):
    return list(engine.reply([Turn("user", QUESTION)], Sampling(max_new_tokens=3)))


@pytest.mark.parametrize("step", ["_size", "_tokens_in"])
def test_a_document_that_could_not_be_learned_to_the_end_is_not_found(mvp, monkeypatch, step):
    before = mvp.documents, found(mvp)
    original = getattr(mvp, step)

    def broken(*arguments):
        if step == "_size" or arguments[-1] == len(NEWER.text) == arguments[-2]:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(mvp, step, broken)
    with pytest.raises(KeyboardInterrupt):
        learn(mvp, NEWER)
    assert (mvp.documents, found(mvp)) == before
    monkeypatch.undo()
    learn(mvp, NEWER)
    assert ids(mvp) == [NEWER.id, AVIARY.id]
