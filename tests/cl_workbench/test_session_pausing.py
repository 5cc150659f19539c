"""A learning that pauses waits for a person; muting and moving what was learned."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_engine import Script
from session_recorder import Recorder, Start, is_kind

from cl_workbench.messages import (
    EngineReady,
    EngineState,
    JobFailed,
    LearnDone,
    Learning,
    LearnSummary,
    StateChanged,
    WorkEnded,
)
from cl_workbench.pauses import Pause
from engines.protocol import Decision


def wait_for_pause(recorder: Recorder) -> None:
    recorder.wait(lambda event: isinstance(event, Learning) and event.progress.paused)


def decide(recorder: Recorder, decision: Decision) -> None:
    """The event comes a moment before the thread waits."""
    for _ in range(3_000):
        if recorder.session.decide(decision):
            return
        recorder.breathe()
    raise AssertionError("the engine thread never waited")


@pytest.mark.parametrize("decision", ["continue", "slower", "stop"])
def test_a_paused_learning_goes_on_as_decided(
    started: Start, document: Path, decision: Decision
) -> None:
    recorder = started(Script(pause_at=8))
    recorder.session.learn([document])
    wait_for_pause(recorder)
    assert recorder.of(LearnDone) == []
    decide(recorder, decision)
    recorder.wait(is_kind(LearnSummary))
    assert recorder.script.decisions == [decision]
    steps = [e.progress.step for e in recorder.of(Learning) if isinstance(e, Learning)]
    assert steps[-1] == (8 if decision == "stop" else 20)
    assert len(recorder.engine.documents) == 1


def test_a_paused_learning_can_be_cancelled(started: Start, document: Path) -> None:
    recorder = started(Script(pause_at=8))
    recorder.session.learn([document])
    wait_for_pause(recorder)
    recorder.session.cancel()
    summary = recorder.wait(is_kind(LearnSummary))
    assert isinstance(summary, LearnSummary)
    assert summary.cancelled == "Harbour"
    assert recorder.script.decisions == []
    assert recorder.engine.documents == ()


def test_closing_ends_the_thread_of_a_paused_learning(document: Path) -> None:
    recorder = Recorder(Script(pause_at=8))
    recorder.session.start()
    recorder.session.learn([document])
    wait_for_pause(recorder)
    assert recorder.session.close(30)
    assert recorder.engine.documents == ()


def test_a_decision_counts_only_for_the_pause_that_is_waited_at(
    started: Start, document: Path
) -> None:
    recorder = started(Script(pause_at=8))
    recorder.wait(is_kind(WorkEnded))
    assert not recorder.session.decide("stop")
    recorder.session.learn([document])
    wait_for_pause(recorder)
    decide(recorder, "continue")
    assert not recorder.session.decide("stop")
    recorder.wait(is_kind(LearnSummary))
    assert recorder.script.decisions == ["continue"]


def test_a_pause_nobody_may_wait_at_ends_at_once() -> None:
    assert Pause().wait(lambda: True) is None


def test_documents_are_muted_and_moved_and_the_state_says_so(
    started: Start, tmp_path: Path
) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"words of {name}", encoding="utf-8")
    recorder = started()
    recorder.session.learn([tmp_path])
    recorder.wait(is_kind(LearnSummary))
    first, second = (report.id for report in recorder.engine.documents)
    recorder.session.mute(first)
    recorder.wait(lambda e: isinstance(e, StateChanged) and e.state.muted == {first})
    recorder.session.move(second, 0)
    recorder.wait(lambda e: isinstance(e, StateChanged) and ids_of(e.state) == [second, first])
    recorder.session.mute(first, False)
    recorder.wait(lambda e: isinstance(e, StateChanged) and e.state.muted == frozenset())
    state = recorder.of(StateChanged)[-1]
    assert isinstance(state, StateChanged)
    assert state.state.bytes_of[first] == recorder.engine.bytes_of(first)


def test_an_unknown_document_cannot_be_muted_and_the_state_is_told_again(started: Start) -> None:
    recorder = started()
    recorder.wait(is_kind(EngineReady))
    recorder.session.mute("nothing")
    failed = recorder.wait(is_kind(JobFailed))
    assert isinstance(failed, JobFailed)
    assert "see the ledger" in failed.sentence
    assert recorder.of(StateChanged)


def ids_of(state: EngineState) -> list[str]:
    return [report.id for report in state.ledger]
