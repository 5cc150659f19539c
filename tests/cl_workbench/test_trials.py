"""One question under several conditions: order, and an engine left as it was found."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from scripted_engine import Script, ScriptedEngine, ScriptedHost

from cl_workbench.messages import Event, LearnSummary, Streamed, StreamEnded
from cl_workbench.session import Session
from cl_workbench.streams import Streams
from cl_workbench.trials import AnswerGrew, answers_at, answers_without, preview_alphas
from engines.protocol import Document, EngineError, Piece, Sampling, Turn

ASKED = (Turn("user", "How often?"),)
GREEDY = Sampling()


def text_of(events: Sequence[object], row: int) -> str:
    return "".join(e.text for e in events if isinstance(e, AnswerGrew) and e.row == row)


def make_engine(**script: object) -> ScriptedEngine:
    engine = ScriptedEngine(ScriptedHost(Script(**script)))  # type: ignore[arg-type]
    for title in ("One", "Two"):
        list(engine.learn(Document.from_text(f"{title} is a text.", title)))
    engine.script.alphas.clear()
    return engine


class BreakingEngine(ScriptedEngine):
    """Breaks off in the midst of an answer."""

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        yield Piece("It ")
        raise EngineError("The answer broke off.")


def test_the_alpha_in_use_is_among_those_tried_once() -> None:
    assert preview_alphas(0.5) == (1.0, 0.9, 0.7, 0.5, 0.3, 0.0)
    assert preview_alphas(0.83) == (1.0, 0.9, 0.83, 0.7, 0.5, 0.3, 0.0)


def test_each_alpha_answers_and_alpha_is_then_as_before() -> None:
    engine = make_engine(answers_at={1.0: "As base.", 0.3: "As learned."})
    events = list(answers_at(engine, ASKED, GREEDY, (1.0, 0.3)))
    assert text_of(events, 0) == "As base."
    assert text_of(events, 1) == "As learned."
    assert engine.alpha == 0.5


def test_stopping_or_breaking_restores_alpha() -> None:
    engine = make_engine()
    events = answers_at(engine, ASKED, GREEDY, (1.0, 0.3))
    next(events)
    assert engine.alpha == 1.0
    events.close()  # type: ignore[attr-defined]
    assert engine.alpha == 0.5
    broken = BreakingEngine(ScriptedHost())
    with pytest.raises(EngineError, match="broke off"):
        list(answers_at(broken, ASKED, GREEDY, (0.0,)))
    assert broken.alpha == 0.95


def test_each_document_is_left_out_in_turn_and_is_then_there_again() -> None:
    engine = make_engine(answers_without={"One": "No idea."})
    ids = [report.id for report in engine.documents]
    events = list(answers_without(engine, ASKED, GREEDY, ids))
    assert text_of(events, 0) == engine.script.learned_answer
    assert text_of(events, 1) == "No idea."
    assert text_of(events, 2) == engine.script.learned_answer
    assert engine._left_out == frozenset()


def test_an_engine_without_the_ability_is_told_of() -> None:
    class Bare:
        name = "bare"

    with pytest.raises(EngineError, match="no α"):
        next(answers_at(Bare(), ASKED, GREEDY, (1.0,)))  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="leave a document out"):
        next(answers_without(Bare(), ASKED, GREEDY, ()))  # type: ignore[arg-type]


def test_stopping_one_stream_leaves_what_waits_behind_it(tmp_path: Path) -> None:
    script = Script(answer_hold=1)
    host = ScriptedHost(script)
    engine = ScriptedEngine(host)
    document = tmp_path / "a.txt"
    document.write_text("A text to learn.", encoding="utf-8")
    woken = threading.Event()
    session = Session(lambda report: (host, engine), wake=woken.set)
    streams = Streams(session)
    events: list[Event] = []
    ended: list[StreamEnded] = []

    def wait_for(kind: type[Event]) -> None:
        for _ in range(3_000):
            events.extend(session.outbox.take())
            if any(isinstance(event, kind) for event in events):
                return
            woken.wait(0.01)
            woken.clear()
        raise AssertionError(f"no {kind} in {events}")

    session.start()
    stream = streams.start(
        lambda engine: answers_at(engine, ASKED, GREEDY, (1.0, 0.0)), events.append, ended.append
    )
    session.learn([document])
    wait_for(Streamed)
    stream.stop()
    script.go.set()
    wait_for(LearnSummary)
    assert session.close()
    for event in events:
        if isinstance(event, StreamEnded):
            assert event.cancelled
            streams.ended(event)
    assert ended == []  # nobody looks any more
    assert script.alphas == [1.0, 0.95]
    assert [report.title for report in engine.documents] == ["A text to learn."]
