"""What a person does to an engine's playbook, and what that means for a learn or a rating."""

from __future__ import annotations

import pytest

from engines.ace.engine import AceEngine
from engines.ace.operations import Add, Remove, Update
from engines.ace.questions import Pair
from engines.ace.review import offer
from engines.ace.revisions import History
from engines.ace.rows import history_of, revision_row
from engines.ace.settings import AceSettings
from engines.documents import read_file
from engines.protocol import EngineError, Sampling, Turn
from tests.engines.ace.scripted_roles import ScriptedRoles, add, curates, reflects
from tests.engines.ace.test_ace_engine import (
    DOCUMENT,
    ONCE,
    OTHER,
    RULE,
    asked,
    made,
    state,
    taught,
)

HOLD = AceSettings(loops=1, reflector_rounds=1, review="hold", written_questions=0)
PAIR = Pair("How many bells has the tower?", ("nine",))
MINE = Add("strategies", "Read the question twice.")


def texts(engine):
    return [bullet.text for bullet in engine.playbook.bullets]


def test_what_a_person_writes_is_applied_at_once_and_as_one_revision():
    engine = made(HOLD)
    outcomes = engine.edit([MINE, Add("strategies", ""), Remove("strategy-00099")])
    assert [outcome.verdict for outcome in outcomes] == ["accepted", "refused", "refused"]
    assert texts(engine) == [MINE.text]
    assert engine.history.head.origin == "person"
    assert engine.edit([Update("strategy-00001", "Read it thrice.")])[0].id == "strategy-00001"
    assert len(engine.history.revisions) == 3


def test_a_persons_edit_keeps_within_the_budget():
    engine = made(AceSettings(playbook_budget=30))
    engine.edit([MINE])
    outcomes = engine.edit([Add("formulas", "Margin is profit over revenue.")])
    assert [outcome.by for outcome in outcomes] == ["", "budget"]
    assert texts(engine) == ["Margin is profit over revenue."]


def test_changes_are_undone_redone_reverted_and_branched_from():
    engine = made()
    engine.edit([MINE])
    engine.edit([Add("formulas", "Margin is profit over revenue.")])
    assert engine.undo().note == "undid revision 2"
    assert texts(engine) == [MINE.text]
    assert engine.redo().origin == "redo"
    assert len(texts(engine)) == 2
    assert engine.revert(0).restores == 0
    assert texts(engine) == []
    assert engine.branch(1).note == "went on from revision 1"
    assert texts(engine) == [MINE.text]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda engine: engine.undo(), "nothing to undo"),
        (lambda engine: engine.redo(), "nothing to redo"),
        (lambda engine: engine.revert(7), "no revision 7"),
        (lambda engine: engine.revert(0), "already"),
        (lambda engine: engine.branch(-1), "no revision -1"),
    ],
)
def test_what_can_not_be_changed_is_told_and_changes_nothing(change, says):
    engine = made()
    before = state(engine)
    with pytest.raises(EngineError, match=says):
        change(engine)
    assert state(engine) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda engine: engine.undo(),
        lambda engine: engine.redo(),
        lambda engine: engine.revert(0),
        lambda engine: engine.branch(0),
        lambda engine: engine.edit([MINE]),
        lambda engine: setattr(engine, "history", History.start()),
        lambda engine: engine.undo_rating(),
    ],
)
def test_nothing_is_changed_while_something_is_learned(change):
    engine = taught(OTHER)
    engine.edit([MINE])
    before = state(engine)
    steps = engine.learn(DOCUMENT)
    next(steps)
    with pytest.raises(EngineError, match="learning already"):
        change(engine)
    steps.close()
    assert state(engine) == before


def test_a_learn_that_is_closed_takes_every_decision_made_in_it_back():
    for stop in range(12):
        engine = taught(DOCUMENT, settings=HOLD)
        before = state(engine)
        steps = engine.practise([PAIR])
        next(steps)
        engine.decide({engine.pending[0].place: None})
        for _ in range(stop):
            next(steps)
        steps.close()
        assert state(engine) == before
        assert len(engine.pending) == 1


def test_the_same_operation_waits_once_however_often_it_is_offered():
    engine = taught(DOCUMENT, settings=AceSettings(loops=3, review="hold", reflector_rounds=1))
    assert [held.operation.text for held in engine.pending] == [RULE]
    repeated = [o.why for r in engine.history.revisions for o in r.outcomes if o.verdict != "held"]
    assert repeated == ["the same waits for review already"] * 2


def test_votes_on_a_bullet_are_no_repetition():
    engine = made(HOLD, reflector=reflects(tags={"strategy-00001": "helpful"}), curator=curates())
    engine.edit([MINE])
    for _ in range(2):
        asked(engine, "What is it?")
        engine.rate("up")
    assert len(engine.pending) == 2


def test_the_curator_has_one_vote_for_a_bullet_too():
    vote = {"type": "TAG", "id": "strategy-00001", "tag": "helpful"}
    engine = made(curator=curates(vote, vote, vote))
    engine.edit([MINE])
    list(engine.practise([PAIR]))
    assert engine.playbook.get("strategy-00001").helpful == 1


def test_an_answer_that_is_broken_off_can_not_be_rated_nor_the_one_before():
    engine = made()
    asked(engine, "What is it?")
    pieces = engine.reply([Turn("user", "And now?")], Sampling())
    next(pieces), next(pieces)
    pieces.close()
    with pytest.raises(EngineError, match="no answer to rate"):
        engine.rate("down")


def test_closing_a_rating_at_any_event_leaves_no_trace():
    first = made()
    asked(first, "What is it?")
    events = len([*first.rating("down")])
    engine = made()
    asked(engine, "What is it?")
    before = state(engine)
    for stop in range(events):
        steps = engine.rating("down", "A better answer.")
        for _ in range(stop + 1):
            next(steps)
        steps.close()
        assert (state(engine), engine.feedback, engine.model.open) == (before, (), 0)
    assert engine.rate("down").number == 1


def test_a_rating_that_is_taken_back_leaves_nothing_waiting():
    engine = made(HOLD)
    engine.history = offer(engine.history, [MINE], review="hold").history
    asked(engine, "What is it?")
    engine.rate("down")
    assert len(engine.pending) == 2
    engine.undo_rating()
    assert [held.operation for held in engine.pending] == [MINE]


def test_a_rating_does_not_count_for_another_playbook():
    engine = made()
    asked(engine, "What is it?")
    engine.rate("down")
    asked(engine, "And now?")
    engine.edit([MINE])
    assert len(engine.feedback) == 1
    engine.history = History.start()
    assert engine.feedback == ()
    for change in (engine.undo_rating, lambda: engine.rate("up")):
        with pytest.raises(EngineError):
            change()


def test_a_newer_version_of_a_file_takes_its_rules_over(tmp_path):
    path = tmp_path / "town.jsonl"
    path.write_text('{"question": "Who founded the town?", "answer": "Odile"}\n')
    engine = taught(first := read_file(path))
    path.write_text(path.read_text() + '{"question": "When?", "answer": "1687"}\n')
    before = state(engine)
    steps = engine.learn(second := read_file(path))
    next(steps)
    steps.close()
    assert state(engine) == before
    list(engine.learn(second))
    assert first.id != second.id
    assert [b.source.document for b in engine.playbook.bullets] == [second.id]
    rows = [revision_row(revision) for revision in engine.history.revisions]
    assert history_of(rows).playbook == engine.playbook
    engine.forget(second.id)
    assert texts(engine) == []


def test_a_decision_from_another_thread_at_any_time_is_carried_out_once():
    engine = taught(DOCUMENT, settings=HOLD)
    [held] = engine.pending
    steps = engine.practise([PAIR])
    for at, _ in enumerate(steps):
        if at == 0:
            engine.decide({held.place: None})
    assert texts(engine) == [RULE]
    assert held.place not in [one.place for one in engine.pending]


def test_an_engine_begins_with_the_playbook_that_it_is_given():
    history = offer(History.start(), [MINE], origin="person").history
    engine = AceEngine(ScriptedRoles(curator=curates(add(RULE))), ONCE, history=history)
    assert texts(engine) == [MINE.text]
    assert engine.undo().restores == 0
