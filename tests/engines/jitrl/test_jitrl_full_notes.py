"""What JitRL Full says when nothing stored moved an answer, and when it reads general text."""

from __future__ import annotations

import dataclasses

import pytest

from engines.host import ModelHost
from engines.jitrl import calibration
from engines.jitrl.full import NOTHING_NEAR, JitRLFullEngine
from engines.jitrl.settings import JitRLFullSettings, PassageSettings
from engines.protocol import Sampling, Turn
from engines.texts import held_out_passages
from tests.engines.learning import AVIARY, HARBOUR, learn, tiny_host
from tests.engines.tiny import tiny_tokenizer

SETTINGS = JitRLFullSettings(
    passages=PassageSettings(chunk_tokens=48, overlap_tokens=12), window=64, window_overlap=32
)
OPENING = [Turn("user", HARBOUR.text[: HARBOUR.text.index(" forty")])]
STRANGE = [Turn("user", "%%%% 9999 zzzz qqqq")]
SHORT = Sampling(max_new_tokens=4)


@pytest.fixture(scope="module")
def host():
    """Without a chat template, so that a question can be the opening of the document."""
    tiny = tiny_host()
    return ModelHost(model=tiny.model, tokenizer=tiny_tokenizer(chat=False), name=tiny.name)


@pytest.fixture
def engine(host, tmp_path):
    made = JitRLFullEngine(host, SETTINGS, folder=tmp_path / "states")
    learn(made, HARBOUR)
    return made


@pytest.fixture
def general_reads(monkeypatch):
    """How often reading the general text was begun."""
    reads: list[None] = []
    own = calibration.Calibration._states
    first = held_out_passages()[0]

    def states(self, passage):
        if passage == first:
            reads.append(None)
        return own(self, passage)

    monkeypatch.setattr(calibration.Calibration, "_states", states)
    return reads


def notes(engine, turns):
    return [p.retrieval.note for p in engine.reply(turns, SHORT) if p.retrieval is not None]


def test_an_answer_that_nothing_moved_ends_with_a_note(engine):
    pieces = list(engine.reply(STRANGE, SHORT))
    first, last = pieces[0].retrieval, pieces[-1].retrieval
    assert not any(piece.nudge for piece in pieces)
    assert first.note is None
    assert last == dataclasses.replace(first, note=NOTHING_NEAR)
    assert pieces[-1].text == "" and pieces[-1].tokens == 0
    own = "".join(piece.text for piece in engine.host.reply(STRANGE, SHORT))
    assert "".join(piece.text for piece in pieces) == own


def test_an_answer_that_was_moved_has_no_note(engine):
    assert notes(engine, OPENING) == [None]


def test_strength_0_needs_no_note(engine):
    engine.strength = 0
    assert notes(engine, STRANGE) == [None]


def test_passages_in_the_prompt_are_not_nothing(host, tmp_path):
    settings = dataclasses.replace(SETTINGS, context_chunks=1)
    engine = JitRLFullEngine(host, settings, folder=tmp_path / "states")
    learn(engine, HARBOUR)
    assert NOTHING_NEAR not in notes(engine, STRANGE)


def test_the_general_text_is_read_while_the_first_document_is_learned(
    host, tmp_path, general_reads
):
    engine = JitRLFullEngine(host, SETTINGS, folder=tmp_path / "states")
    events = list(engine.learn(HARBOUR))[:-1]
    calibrating = [event for event in events if event.stage.startswith("calibrating")]
    assert [(event.step, event.steps) for event in calibrating] == [(n, 38) for n in range(1, 39)]
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert len(general_reads) == 1
    later = [event.stage for event in [*engine.learn(AVIARY)][:-1]]
    assert not any(stage.startswith("calibrating") for stage in later)
    list(engine.reply(OPENING, SHORT))
    list(engine.recall(HARBOUR))
    assert len(general_reads) == 1


def test_another_engine_of_the_model_takes_over_what_was_read(host, tmp_path, general_reads):
    folder = tmp_path / "cache"
    first, second = (
        JitRLFullEngine(host, SETTINGS, folder=tmp_path / name, cache=folder) for name in "ab"
    )
    other = dataclasses.replace(SETTINGS, layer=0)
    third = JitRLFullEngine(host, other, folder=tmp_path / "c", cache=folder)
    for engine in (first, second):
        learn(engine, HARBOUR)
    assert len(general_reads) == 1
    assert list(first.reply(OPENING, SHORT)) == list(second.reply(OPENING, SHORT))
    learn(third, HARBOUR)
    assert len(general_reads) == 2
    for path in folder.iterdir():
        path.write_bytes(b"torn")
    learn(JitRLFullEngine(host, SETTINGS, folder=tmp_path / "d", cache=folder), HARBOUR)
    assert len(general_reads) == 3


def test_calibrating_can_be_stopped_and_is_begun_anew(host, tmp_path, general_reads):
    engine = JitRLFullEngine(host, SETTINGS, folder=tmp_path / "states")
    learning = engine.learn(HARBOUR)
    next(learning), next(learning)
    learning.close()
    assert engine.documents == ()
    learn(engine, HARBOUR)
    list(engine.reply(OPENING, SHORT))
    assert len(general_reads) == 2
