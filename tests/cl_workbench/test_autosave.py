"""What is learned on screen is there again at the next start, however the last one ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from scripted_app import Bench, make_bench, run
from scripted_engine import Script, ScriptedEngine, ScriptedHost
from scripted_retriever import RetrievingEngine
from test_session import Recorder, is_kind

from cl_workbench.autosave import Autosave
from cl_workbench.history import History
from cl_workbench.home import Home
from cl_workbench.messages import (
    DialSet,
    EngineReady,
    JobFailed,
    LearnBegan,
    LearnDone,
    LearnSummary,
    Noted,
    StateChanged,
    WorkEnded,
)
from engines import catalogue
from engines.checkpoints import MANIFEST
from tests.engines.learning import learned_logits, tiny_engine, tiny_host

ROOT = Path(__file__).resolve().parents[2]

LEARNER = """
import sys, threading
from pathlib import Path
sys.path.insert(0, "tests/cl_workbench")
from scripted_engine import Script, ScriptedEngine, ScriptedHost
from cl_workbench.autosave import Autosave
from cl_workbench.messages import LearnSummary
from cl_workbench.session import Session

home, document = map(Path, sys.argv[1:])
host = ScriptedHost(Script())
woken = threading.Event()
session = Session(
    lambda report: (host, ScriptedEngine(host)),
    wake=woken.set,
    autosave=Autosave(home / "session" / "autosave", home / "checkpoints"),
)
session.start()
session.learn([document])
while not any(isinstance(event, LearnSummary) for event in session.outbox.take()):
    woken.wait(0.01)
print("learned", flush=True)
threading.Event().wait()
"""

Start = Callable[..., Recorder]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "home" / "session" / "autosave"


@pytest.fixture
def start(tmp_path: Path, kept: Path) -> Iterator[Start]:
    """Starts a session in the same home each time, and waits until its model is ready."""
    recorders: list[Recorder] = []

    def begin(
        script: Script | None = None, *, fingerprint: str | None = None, **how: bool
    ) -> Recorder:
        autosave = Autosave(kept, tmp_path / "home" / "checkpoints", **how)
        recorder = Recorder(script, autosave=autosave)
        recorder.host.fingerprint = fingerprint or recorder.host.fingerprint
        recorders.append(recorder)
        recorder.session.start()
        recorder.wait(is_kind(WorkEnded))
        assert recorder.of(EngineReady)
        return recorder

    yield begin
    for recorder in recorders:
        recorder.script.go.set()
        recorder.script.alpha_go.set()
        assert recorder.session.close(30)


@pytest.fixture
def documents(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.md" for name in ("harbour", "aviary")]
    for path in paths:
        path.write_text(f"# The {path.stem}\n\nIt has a light.", encoding="utf-8")
    return paths


def learned(recorder: Recorder, *paths: Path) -> Recorder:
    before = {id(event) for event in recorder.of(LearnSummary)}
    recorder.session.learn(list(paths))
    recorder.wait(lambda event: isinstance(event, LearnSummary) and id(event) not in before)
    return recorder


def told(recorder: Recorder) -> list[str]:
    return [event.text for event in recorder.of(Noted) if isinstance(event, Noted)]


def titles(recorder: Recorder) -> list[str]:
    return [report.title for report in recorder.engine.documents]


def test_what_a_killed_program_had_learned_is_brought_back(tmp_path, start, documents):
    process = subprocess.Popen(
        [sys.executable, "-c", LEARNER, str(tmp_path / "home"), str(documents[0])],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"learned\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    again = start()
    assert titles(again) == ["The harbour"]
    assert told(again) == ["Brought back 1 document of the last session; R forgets it."]
    state = again.of(StateChanged)[-1]
    assert isinstance(state, StateChanged)
    assert [report.title for report in state.state.ledger] == ["The harbour"]


class SecondHeld(Script):
    """Holds the second learning, not the first."""

    learnings = 0

    def wait(self, go: threading.Event | None = None) -> None:
        self.learnings += 1
        if self.learnings > 1:
            super().wait(go)


def test_each_document_is_kept_before_the_next_is_learned(start, kept, documents):
    recorder = start(SecondHeld(learn_hold=5))
    recorder.session.learn(documents)
    recorder.wait(lambda event: isinstance(event, LearnBegan) and event.number == 2)
    assert catalogue.details(kept).saved.documents == 1
    assert recorder.of(LearnSummary) == []


def test_the_engine_itself_comes_back_to_the_bit(kept, tmp_path, documents):
    home = tmp_path / "home"
    engines = [tiny_engine(tiny_host()) for _ in range(2)]
    sessions = []
    for engine in engines:
        autosave = Autosave(kept, home / "checkpoints")
        recorder = Recorder(autosave=autosave, open_engine=lambda _, e=engine: (e.host, e))
        recorder.session.start()
        recorder.wait(is_kind(WorkEnded))
        sessions.append(recorder)
        if engine is engines[0]:
            learned(recorder, *documents)
            recorder.session.mute(engine.documents[0].id)
            recorder.session.set_alpha(0.375)
        assert recorder.session.close(60)
    first, second = engines
    assert told(sessions[1]) == ["Brought back 2 documents of the last session; R forgets them."]
    assert second.documents == first.documents
    assert (second.alpha, second.muted) == (0.375, first.muted)
    assert len(second.muted) == 1
    assert torch.equal(learned_logits(second), learned_logits(first))


def test_nothing_learned_keeps_nothing_and_tells_nothing(start, kept):
    recorder = start()
    recorder.session.set_alpha(0.3)
    recorder.wait(is_kind(DialSet))
    assert recorder.session.close(30)
    assert not kept.exists()
    assert told(start()) == []


def test_an_empty_folder_is_no_reason_for_a_warning(start, kept):
    kept.mkdir(parents=True)
    recorder = start()
    recorder.session.set_alpha(0.3)
    recorder.wait(is_kind(DialSet))
    assert recorder.session.close(30)
    assert recorder.of(JobFailed) == []


def test_alpha_and_what_was_forgotten_are_kept_too(start, kept, documents):
    first = learned(start(), *documents)
    first.session.forget(first.engine.documents[0].id)
    first.session.set_alpha(0.25)
    assert first.session.close(30)
    second = start()
    assert titles(second) == ["The aviary"]
    assert second.engine.alpha == 0.25
    second.session.reset()
    assert second.session.close(30)
    assert not kept.exists()
    assert titles(start()) == []


def test_a_burst_on_the_dial_saves_once(start, documents):
    recorder = learned(start(Script(alpha_hold=1)), documents[0])
    saves = recorder.script.saves
    for step in range(40):
        recorder.session.set_alpha(step / 40)
    recorder.script.alpha_go.set()
    recorder.wait(lambda event: isinstance(event, DialSet) and event.state.alpha == 39 / 40)
    assert recorder.session.close(30)
    assert recorder.script.saves == saves + 1
    assert start().engine.alpha == 39 / 40


def test_a_session_on_another_model_becomes_a_checkpoint(tmp_path, start, kept, documents):
    assert learned(start(), *documents).session.close(30)
    other = start(fingerprint="another")
    assert titles(other) == []
    (saved,) = catalogue.listing(tmp_path / "home" / "checkpoints")
    assert (saved.documents, saved.fault) == (2, None)
    (sentence,) = told(other)
    assert f"kept as the checkpoint {saved.name}." in sentence
    assert f"'{saved.name}' was made on" in sentence
    assert "model.name" in sentence
    assert "autosave" not in sentence
    assert not kept.exists()
    learned(other, documents[0])
    assert catalogue.details(kept).saved.documents == 1


def test_a_damaged_session_is_put_aside_and_told(tmp_path, start, kept, documents):
    assert learned(start(), documents[0]).session.close(30)
    (kept / MANIFEST).write_text("{")
    again = start()
    assert titles(again) == []
    (sentence,) = told(again)
    assert "has a damaged manifest" in sentence
    (saved,) = catalogue.listing(tmp_path / "home" / "checkpoints")
    assert saved.name in sentence


def test_a_session_that_can_not_be_put_aside_is_not_written_over(tmp_path, start, kept, documents):
    assert learned(start(), documents[0]).session.close(30)
    before = (kept / MANIFEST).read_bytes()
    (tmp_path / "home" / "checkpoints").write_text("in the way")
    other = start(fingerprint="another")
    assert "not kept for a restart" in told(other)[0]
    assert learned(other, documents[1]).session.close(30)
    assert (kept / MANIFEST).read_bytes() == before


def test_a_fresh_start_puts_the_last_session_aside(tmp_path, start, documents):
    assert learned(start(), documents[0]).session.close(30)
    fresh = start(bring_back=False)
    assert titles(fresh) == []
    (saved,) = catalogue.listing(tmp_path / "home" / "checkpoints")
    assert told(fresh) == [f"What the last session learned is kept as the checkpoint {saved.name}."]
    assert learned(fresh, documents[1]).session.close(30)
    assert titles(start()) == ["The aviary"]


def test_a_second_session_in_the_same_home_leaves_the_first_ones_alone(start, kept, documents):
    first = learned(start(), documents[0])
    before = (kept / MANIFEST).read_bytes()
    second = start()
    assert titles(second) == []
    assert "Another workbench is open" in told(second)[0]
    assert learned(second, documents[1]).session.close(30)
    assert (kept / MANIFEST).read_bytes() == before
    assert first.session.close(30)
    assert titles(start()) == ["The harbour"]


def test_a_state_that_can_not_be_saved_is_told_once_and_learning_goes_on(start, kept, documents):
    recorder = start()
    kept.write_text("in the way")
    learned(recorder, *documents)
    recorder.session.set_alpha(0.3)
    recorder.wait(is_kind(DialSet))
    assert len(recorder.of(LearnDone)) == 2
    kept.unlink()
    learned(recorder, documents[0])
    assert catalogue.details(kept).saved.documents == 2
    (fault,) = recorder.of(JobFailed)
    assert isinstance(fault, JobFailed)
    assert fault.sentence.startswith("What is learned is not kept for a restart: ")
    assert "\n" not in fault.sentence


def test_the_screen_says_what_was_brought_back(tmp_path):
    async def first(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.learn("harbour.md")

    run(make_bench(tmp_path / "a"), first)
    (tmp_path / "b").mkdir()
    shutil.move(tmp_path / "a" / "home", tmp_path / "b" / "home")

    async def second(bench: Bench) -> None:
        await bench.sees("Brought back 1 document")
        assert bench.ledger == ["The harbour light"]

    run(make_bench(tmp_path / "b"), second)


def test_each_engine_has_a_last_session_of_its_own(tmp_path):
    async def learn_harbour(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.learn("harbour.md")

    async def learn_aviary(bench: Bench) -> None:
        await bench.sees("· jitrl-mvp ·")
        assert bench.ledger == []
        await bench.learn("aviary.md")

    async def look(bench: Bench) -> None:
        await bench.sees("Brought back 1 document")
        assert bench.ledger == ["The harbour light"]

    async def look_again(bench: Bench) -> None:
        await bench.sees("Brought back 1 document")
        assert bench.ledger == ["The aviary"]

    run(make_bench(tmp_path), learn_harbour)
    run(make_bench(tmp_path, engine=RetrievingEngine), learn_aviary)
    run(make_bench(tmp_path), look)
    run(make_bench(tmp_path, engine=RetrievingEngine), look_again)
    assert not (tmp_path / "home" / "checkpoints").exists()


def test_a_turned_strength_is_not_written_down_and_is_as_the_settings_say_again(
    started, tmp_path, documents
):
    def session(script: Script) -> Recorder:
        host = ScriptedHost(script)
        autosave = Autosave(tmp_path / "kept" / "autosave", tmp_path / "checkpoints")
        return started(
            script, open_engine=lambda report: (host, RetrievingEngine(host)), autosave=autosave
        )

    first = session(Script())
    first.session.learn(documents[:1])
    first.wait(is_kind(LearnSummary))
    first.session.set_strength(2.0)
    first.wait(is_kind(DialSet))
    assert first.session.close(30)
    assert first.script.saves == 1
    second = session(Script())
    noted = second.wait(is_kind(Noted))
    assert isinstance(noted, Noted)
    assert "Brought back 1 document" in noted.text
    (state,) = second.of(StateChanged)
    assert isinstance(state, StateChanged)
    assert state.state.strength == 0.0


def test_two_engines_of_one_home_are_still_one_session(tmp_path):
    home = Home.find(tmp_path)
    first, second = (Autosave(home.autosave(name), home.checkpoints) for name in ("ttt", "other"))
    host = ScriptedHost()
    assert first.begin(ScriptedEngine(host)) is None
    assert "Another workbench is open" in str(second.begin(ScriptedEngine(host)))
    first.close()
    second.close()


def test_a_person_who_wants_none_of_it_gets_none(tmp_path):
    (tmp_path / "home" / "configs").mkdir(parents=True)
    (tmp_path / "home" / "configs" / "user.yaml").write_text("session:\n  restore: never\n")

    async def learn(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.learn("harbour.md")

    run(make_bench(tmp_path), learn)
    assert not (tmp_path / "home" / "session").exists()


def test_what_is_learned_on_screen_is_in_the_history(tmp_path):
    async def learn(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.learn("harbour.md")

    run(make_bench(tmp_path), learn)
    (row,) = History(tmp_path / "home" / "history.sqlite3").rows()
    assert (row.title, row.engine) == ("The harbour light", "ttt")
    assert json.loads(row.settings)["ttt.seed"] == 0
