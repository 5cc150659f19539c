"""The engine thread around an engine that takes feedback: what is rated, and what never is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from scripted_engine import Script, ScriptedHost
from scripted_rater import ENTRIES, TOKENS, RatedEngine
from scripted_retriever import CITED, FOUND, RetrievingEngine
from session_recorder import Recorder, Start, is_kind

from cl_workbench.autosave import Autosave
from cl_workbench.messages import (
    AnswerEnded,
    EngineReady,
    Event,
    JobFailed,
    Noted,
    Rated,
    StateChanged,
    StreamEnded,
    WorkEnded,
)
from engines.protocol import Engine, Sampling, Turn

QUESTION = (Turn("user", "How often?"),)
NEWER = "The model has answered something else since: ask again, then rate the answer."


def rating(started: Start, kind: type = RatedEngine, **options: object) -> Recorder:
    script = Script(retrieval=FOUND, citations=CITED)
    host = ScriptedHost(script)
    return started(script, open_engine=lambda report: (host, kind(host)), **options)


def answered(recorder: Recorder, voice: str = "learned") -> int:
    number = recorder.session.reply(QUESTION, Sampling(), voice)  # type: ignore[arg-type]
    recorder.wait(lambda event: isinstance(event, AnswerEnded) and event.number == number)
    return number


def noted(recorder: Recorder, words: str) -> Event:
    return recorder.wait(lambda event: isinstance(event, Noted) and words in event.text)


def test_a_rating_is_told_with_its_figures_and_can_be_taken_back(started: Start) -> None:
    recorder = rating(started)
    number = answered(recorder)
    recorder.session.rate(number, "up")
    rated = recorder.wait(is_kind(Rated))
    assert isinstance(rated, Rated)
    assert (rated.number, rated.feedback.rating) == (number, "up")
    assert (rated.feedback.tokens, rated.feedback.entries) == (TOKENS, ENTRIES)
    noted(recorder, "up: 7 tokens of this answer rest on 41 stored ones; their returns rose.")
    state = recorder.of(StateChanged)[-1]
    assert isinstance(state, StateChanged)
    assert state.state.feedback == (rated.feedback,)
    recorder.session.undo_rating()
    noted(recorder, 'Took back "up" for "How often?"')
    state = recorder.of(StateChanged)[-1]
    assert isinstance(state, StateChanged)
    assert state.state.feedback == ()


def test_an_answer_is_not_rated_once_the_engine_was_asked_something_else(started: Start) -> None:
    def asks(engine: Engine) -> Iterator[object]:
        yield from engine.reply(QUESTION, Sampling())

    recorder = rating(started)
    number = answered(recorder)
    recorder.session.stream(asks)
    recorder.wait(is_kind(StreamEnded))
    recorder.session.rate(number, "up")
    refused = recorder.wait(is_kind(JobFailed))
    assert isinstance(refused, JobFailed)
    assert refused.sentence == NEWER
    assert recorder.of(Rated) == [Rated(number, None)]


def test_a_question_that_was_dropped_in_line_leaves_the_answer_to_be_rated(started: Start) -> None:
    recorder = rating(started)
    number = answered(recorder)
    dropped = recorder.session.stream(lambda engine: engine.reply(QUESTION, Sampling()))
    recorder.session.drop(dropped)
    recorder.session.rate(number, "up")
    recorder.wait(is_kind(Rated, JobFailed))
    assert recorder.of(JobFailed) == []


def test_the_base_models_answer_between_leaves_the_learned_one_to_be_rated(started: Start) -> None:
    recorder = rating(started)
    number = answered(recorder)
    answered(recorder, "base")
    recorder.session.rate(number, "down")
    noted(recorder, "their returns fell")


def test_an_answer_that_was_cut_short_is_not_rated(started: Start) -> None:
    recorder = rating(started)
    recorder.wait(is_kind(EngineReady))
    recorder.script.answer_hold = 2
    number = recorder.session.reply(QUESTION, Sampling(), "learned")
    recorder.session.cancel()
    recorder.script.go.set()
    recorder.wait(is_kind(AnswerEnded))
    recorder.session.rate(number, "up")
    recorder.wait(lambda event: isinstance(event, JobFailed) and event.sentence == NEWER)


def test_an_engine_without_ratings_says_so(started: Start) -> None:
    recorder = rating(started, RetrievingEngine)
    number = answered(recorder)
    recorder.session.rate(number, "up")
    refused = recorder.wait(is_kind(JobFailed))
    assert isinstance(refused, JobFailed)
    assert refused.sentence == "The engine jitrl-mvp learns nothing from ratings."


def test_the_places_of_moved_tokens_are_those_of_their_words(started: Start) -> None:
    recorder = rating(started)
    answered(recorder)
    ended = recorder.of(AnswerEnded)[-1]
    assert isinstance(ended, AnswerEnded)
    found = [ended.text[begin:end] for begin, end in ended.spans]
    assert found == [nudge.text for nudge in ended.nudges]
    assert len(found) == 5


def test_a_rating_alone_is_kept_and_brought_back(
    started: Start, document: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "session" / "autosave"
    first = rating(started, autosave=Autosave(kept, tmp_path / "checkpoints"))
    first.session.learn([document])
    number = answered(first)
    before = first.script.saves
    first.session.rate(number, "up")
    noted(first, "their returns rose")
    first.wait(lambda event: isinstance(event, WorkEnded) and first.script.saves == before + 1)
    assert first.session.close(30)
    second = rating(started, autosave=Autosave(kept, tmp_path / "checkpoints"))
    noted(second, "Brought back 1 document")
    state = second.of(StateChanged)[0]
    assert isinstance(state, StateChanged)
    assert [one.rating for one in state.state.feedback] == ["up"]
    second.session.undo_rating()
    noted(second, "Took back")
    assert second.session.close(30)
    assert second.script.saves == 1
