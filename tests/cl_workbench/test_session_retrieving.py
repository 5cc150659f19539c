"""The engine thread around an engine that retrieves: what answers carry, and the strength."""

from __future__ import annotations

from pathlib import Path

from scripted_engine import Script, ScriptedHost
from scripted_retriever import CITED, FOUND, RetrievingEngine
from session_recorder import Recorder, Start, is_kind

from cl_workbench.messages import AnswerEnded, DialSet, EngineReady
from engines.protocol import Sampling, Turn

QUESTION = (Turn("user", "How often?"),)


def test_an_answer_brings_what_its_pieces_carried(started: Start, document: Path) -> None:
    recorder = retrieving(started)
    recorder.session.learn([document])
    recorder.session.set_strength(2.0)
    recorder.session.reply(QUESTION, Sampling(), "learned")
    ended = recorder.wait(is_kind(AnswerEnded))
    assert isinstance(ended, AnswerEnded)
    assert (ended.retrieval, ended.citations) == (FOUND, CITED)
    assert [nudge.text for nudge in ended.nudges] == ["light"]


def test_the_strength_is_part_of_the_state_and_stays_within_its_range(started: Start) -> None:
    recorder = retrieving(started)
    ready = recorder.wait(is_kind(EngineReady))
    assert isinstance(ready, EngineReady)
    assert (ready.state.strength, ready.state.strength_limit) == (0.0, 4.0)
    for wanted, got in ((2.5, 2.5), (9.0, 4.0), (-1.0, 0.0)):
        recorder.session.set_strength(wanted)
        recorder.wait(
            lambda event, got=got: isinstance(event, DialSet) and event.state.strength == got
        )


def retrieving(started: Start) -> Recorder:
    script = Script(retrieval=FOUND, citations=CITED)
    host = ScriptedHost(script)
    return started(script, open_engine=lambda report: (host, RetrievingEngine(host)))
