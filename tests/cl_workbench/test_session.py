"""The engine thread: order, cancelling, failures, and its end."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from scripted_engine import Script, ScriptedEngine, ScriptedHost
from session_recorder import Recorder, Start, is_kind

from cl_workbench.messages import (
    AnswerEnded,
    AnswerText,
    EngineFailed,
    EngineReady,
    JobFailed,
    LearnBegan,
    LearnDone,
    Learning,
    LearnSummary,
    Loading,
    Noted,
    StateChanged,
    WorkEnded,
)
from cl_workbench.outbox import MAX_STEPS_WAITING, Outbox
from cl_workbench.session import Report
from engines.protocol import EngineError, ModelError, Progress, Sampling, Turn

QUESTION = (Turn("user", "How often?"),)


def test_learning_tells_its_beginning_its_steps_and_its_end_in_order(
    started: Start, document: Path
) -> None:
    recorder = started()
    recorder.session.learn([document])
    summary = recorder.wait(is_kind(LearnSummary))
    assert isinstance(summary, LearnSummary)
    kinds = [type(event) for event in recorder.events]
    steps = [i for i, kind in enumerate(kinds) if kind is Learning]
    assert kinds.index(LearnBegan) < steps[0] <= steps[-1] < kinds.index(LearnDone)
    assert [report.title for report in summary.learned] == ["Harbour"]
    state = recorder.of(StateChanged)[-1]
    assert isinstance(state, StateChanged)
    assert [report.title for report in state.state.ledger] == ["Harbour"]


def test_a_cancelled_learning_leaves_the_ledger_as_it_was(started: Start, document: Path) -> None:
    recorder = started(Script(learn_hold=5))
    recorder.session.learn([document])
    recorder.wait(is_kind(Learning))
    recorder.session.cancel()
    recorder.script.go.set()
    summary = recorder.wait(is_kind(LearnSummary))
    assert isinstance(summary, LearnSummary)
    assert summary.cancelled == "Harbour"
    assert recorder.engine.documents == ()
    assert recorder.engine.closed_early == 1


def test_cancelling_reaches_what_is_queued_but_not_what_comes_later(
    started: Start, document: Path
) -> None:
    recorder = started(Script(learn_hold=5))
    recorder.session.learn([document])
    recorder.session.learn([document])
    recorder.wait(is_kind(Learning))
    recorder.session.cancel()
    recorder.script.go.set()
    recorder.wait(lambda event: isinstance(event, LearnSummary) and bool(event.cancelled))
    recorder.session.learn([document])
    recorder.wait(is_kind(LearnDone))
    assert len(recorder.of(LearnDone)) == 1
    assert len(recorder.engine.documents) == 1


def test_what_cannot_be_read_is_told_and_the_others_go_on(started: Start, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("", encoding="utf-8")
    (tmp_path / "b.txt").write_text("words", encoding="utf-8")
    recorder = started()
    recorder.session.learn([tmp_path])
    summary = recorder.wait(is_kind(LearnSummary))
    assert isinstance(summary, LearnSummary)
    assert [failure.subject for failure in summary.failed] == [str(tmp_path / "a.txt")]
    assert len(summary.learned) == 1


def test_an_expected_failure_is_its_own_sentence(started: Start, document: Path) -> None:
    sentence = "The document is too strange: choose another one."
    recorder = started(Script(break_at=3, break_with=lambda: EngineError(sentence)))
    recorder.session.learn([document])
    summary = recorder.wait(is_kind(LearnSummary))
    assert isinstance(summary, LearnSummary)
    assert [failure.sentence for failure in summary.failed] == [sentence]


def test_a_crash_goes_to_the_log_and_the_thread_works_on(
    started: Start, document: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log_file = tmp_path / "the.log"
    recorder = started(Script(break_at=3), log_file=log_file)
    with caplog.at_level(logging.ERROR):
        recorder.session.learn([document])
        summary = recorder.wait(is_kind(LearnSummary))
    assert isinstance(summary, LearnSummary)
    assert str(log_file) in summary.failed[0].sentence
    assert "a scripted crash" not in summary.failed[0].sentence
    assert "a scripted crash" in caplog.text
    recorder.script.break_at = None
    recorder.session.learn([document])
    recorder.wait(is_kind(LearnDone))


def test_an_answer_streams_and_base_and_learned_differ(started: Start, document: Path) -> None:
    recorder = started()
    recorder.session.learn([document])
    base, learned = recorder.session.compare(QUESTION, Sampling())
    recorder.wait(lambda event: isinstance(event, AnswerEnded) and event.number == learned)
    ended = {e.number: e for e in recorder.of(AnswerEnded) if isinstance(e, AnswerEnded)}
    assert ended[base].text == recorder.script.base_answer
    assert ended[learned].text == recorder.script.learned_answer
    assert ended[learned].tokens == len(recorder.script.learned_answer.split())
    streamed = "".join(
        e.text for e in recorder.of(AnswerText) if isinstance(e, AnswerText) and e.number == learned
    )
    assert streamed == recorder.script.learned_answer


def test_an_answer_stops_at_the_next_token(started: Start) -> None:
    recorder = started(Script(answer_hold=2))
    number = recorder.session.reply(QUESTION, Sampling(), "base")
    recorder.wait(is_kind(AnswerText))
    recorder.session.cancel()
    recorder.script.go.set()
    ended = recorder.wait(is_kind(AnswerEnded))
    assert isinstance(ended, AnswerEnded)
    assert ended.number == number
    assert ended.cancelled
    assert 0 < ended.tokens <= 3


def test_forget_reset_alpha_save_and_load(started: Start, document: Path, tmp_path: Path) -> None:
    recorder = started()
    session, engine = recorder.session, recorder.engine
    session.learn([document])
    recorder.wait(is_kind(LearnSummary))
    session.save(tmp_path / "saved")
    session.set_alpha(1.7)
    session.forget(engine.documents[0].id)
    recorder.wait(lambda event: isinstance(event, Noted) and "Forgot" in event.text)
    assert engine.documents == ()
    assert engine.alpha == 1.0
    session.load(tmp_path / "saved")
    recorder.wait(lambda event: isinstance(event, Noted) and "Opened saved" in event.text)
    assert len(engine.documents) == 1
    session.reset()
    recorder.wait(lambda event: isinstance(event, Noted) and "forgotten" in event.text)
    assert engine.documents == ()


def test_a_change_that_fails_tells_its_sentence(started: Start) -> None:
    recorder = started()
    recorder.session.forget("nothing")
    failed = recorder.wait(is_kind(JobFailed))
    assert isinstance(failed, JobFailed)
    assert "see the ledger" in failed.sentence


def test_a_model_that_cannot_be_loaded_is_told_and_jobs_are_refused(
    started: Start, document: Path
) -> None:
    def fails(report: Report) -> None:
        report("looking", 0.1)
        raise ModelError("There is no such model: set model.name.")

    recorder = started(open_engine=fails)
    failed = recorder.wait(is_kind(EngineFailed))
    assert isinstance(failed, EngineFailed)
    assert "set model.name" in failed.sentence
    recorder.session.learn([document])
    refused = recorder.wait(is_kind(JobFailed))
    assert isinstance(refused, JobFailed)
    assert "No model" in refused.sentence
    assert recorder.session.alive


def test_a_cancelled_loading_drops_what_waited_and_can_be_begun_again(
    started: Start, document: Path
) -> None:
    script = Script()

    def slow(report: Report) -> tuple[ScriptedHost, ScriptedEngine]:
        report("fetching", 0.1)
        script.wait()
        host = ScriptedHost(script)
        return host, ScriptedEngine(host)

    recorder = started(script, open_engine=slow)
    recorder.session.learn([document])
    number = recorder.session.reply(QUESTION, Sampling(), "learned")
    recorder.wait(is_kind(Loading))
    recorder.session.cancel()
    script.go.set()
    failed = recorder.wait(is_kind(EngineFailed))
    assert isinstance(failed, EngineFailed)
    assert (failed.cancelled, failed.dropped) == (True, 2)
    assert "m loads it again" in failed.sentence
    ended = recorder.wait(is_kind(AnswerEnded))
    assert isinstance(ended, AnswerEnded)
    assert (ended.number, ended.cancelled) == (number, True)
    recorder.session.load_model()
    recorder.session.learn([document])
    recorder.wait(is_kind(LearnDone))
    assert recorder.of(JobFailed) == []


def test_an_answer_without_a_model_ends_with_its_reason(started: Start) -> None:
    def fails(report: Report) -> None:
        raise ModelError("There is no such model: set model.name.")

    recorder = started(open_engine=fails)
    recorder.session.reply(QUESTION, Sampling(), "learned")
    ended = recorder.wait(is_kind(AnswerEnded))
    assert isinstance(ended, AnswerEnded)
    assert "No model is loaded" in str(ended.failure)


def test_several_documents_are_numbered(started: Start, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("", encoding="utf-8")
    (tmp_path / "b.txt").write_bytes(b"bi\0nary")
    for name in "cd":
        (tmp_path / f"{name}.txt").write_text(f"words of {name}", encoding="utf-8")
    recorder = started()
    recorder.session.learn([tmp_path])
    recorder.wait(is_kind(LearnSummary))
    begun = [(e.number, e.count) for e in recorder.of(LearnBegan) if isinstance(e, LearnBegan)]
    assert begun == [(2, 3), (3, 3)]


def test_closing_in_the_middle_of_a_learning_joins_the_thread(document: Path) -> None:
    recorder = Recorder(Script(learn_hold=5))
    recorder.session.start()
    recorder.session.learn([document])
    recorder.wait(is_kind(Learning))
    recorder.session.stop()
    recorder.script.go.set()
    assert recorder.session.close(30)
    assert not recorder.session.alive
    assert recorder.engine.documents == ()


def test_closing_a_session_that_was_never_started_is_no_error() -> None:
    assert Recorder().session.close(1)


def test_the_model_is_told_before_any_work(started: Start) -> None:
    recorder = started()
    ready = recorder.wait(is_kind(EngineReady))
    assert isinstance(ready, EngineReady)
    assert ready.model.name == recorder.host.name
    assert ready.state.alpha == 0.95
    recorder.wait(is_kind(WorkEnded))


def test_the_outbox_is_bounded_keeps_the_order_and_wakes_only_for_what_matters() -> None:
    wakes: list[int] = []
    outbox = Outbox(lambda: wakes.append(1))
    outbox.put(LearnBegan("id", "Harbour", None))
    for step in range(5_000):
        outbox.put(Learning(Progress("learning", step / 5_000, 0.0, step=step)))
    for word in ("a", "b", "c"):
        outbox.put(AnswerText(1, word))
    events = outbox.take()
    assert len(wakes) == 1
    assert isinstance(events[0], LearnBegan)
    assert len(events) == 1 + MAX_STEPS_WAITING + 1
    assert events[-1] == AnswerText(1, "abc")
    latest = events[-2]
    assert isinstance(latest, Learning)
    assert latest.progress.step == 4_999
    assert outbox.take() == ()
