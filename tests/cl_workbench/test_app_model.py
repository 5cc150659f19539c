"""Loading the model and leaving the program, also in the middle of something."""

from __future__ import annotations

from pathlib import Path

from scripted_app import Bench, make_bench, run
from scripted_engine import Script

from cl_workbench.app import CLOSE_SECONDS
from engines.protocol import ModelError


def test_a_model_that_cannot_be_loaded_leaves_reading_and_says_what_to_do(tmp_path: Path) -> None:
    error = ModelError("There is no model 'x': set model.name.")
    bench = make_bench(tmp_path, open_error=error)

    async def body(bench: Bench) -> None:
        await bench.sees("There is no model 'x': set model.name.")
        await bench.sees("no model")
        await bench.choose("harbour.md")
        await bench.press("enter")
        await bench.sees("• red")
        await bench.press("c")
        await bench.type("Hello?")
        await bench.sees("There is no model to ask")

    run(bench, body)


def test_a_loading_is_cancelled_and_begun_again(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(load_hold=True))

    async def body(bench: Bench) -> None:
        await bench.sees("loading model 40%")
        await bench.choose("harbour.md")
        await bench.press("l", "escape")
        bench.script.go.set()
        await bench.sees("Loading the model was cancelled; m loads it again.")
        await bench.sees("What waited for it in line was dropped.")
        await bench.sees("no model")
        titles = {command.title for command in bench.app.get_system_commands(bench.screen)}
        assert "Load model" in titles
        await bench.press("m")
        await bench.sees("ready")
        assert bench.ledger == []
        await bench.learn("aviary.md")

    run(bench, body)


def test_a_question_in_line_for_a_model_that_does_not_load_is_answered_so(tmp_path: Path) -> None:
    script = Script(load_hold=True)
    bench = make_bench(tmp_path, script)

    async def body(bench: Bench) -> None:
        await bench.sees("loading model 40%")
        await bench.press("c")
        await bench.type("How often?")
        await bench.press("escape", "escape")
        script.go.set()
        await bench.sees("no model")
        await bench.until(lambda: not bench.screen._known.conversation.waiting)

    run(bench, body)


def test_quitting_has_one_deadline_and_a_second_time_leaves_at_once(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=10))

    async def body(bench: Bench) -> None:
        app = bench.app
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("learning 50%")
        assert app.seconds_to_close == CLOSE_SECONDS
        await bench.press("ctrl+q")
        await bench.sees("closing")
        assert 0 < app.seconds_to_close < CLOSE_SECONDS
        await app.action_quit()
        assert app.seconds_to_close == 0

    run(bench, body)
    assert bench.app.return_code == 0


def test_quit_in_the_middle_of_a_learning_stops_the_thread_first(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=10))

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("learning 50%")
        await bench.press("ctrl+q")
        await bench.sees("closing")
        bench.script.go.set()
        assert bench.app.session is not None
        session = bench.app.session
        await bench.until(lambda: not session.alive)

    run(bench, body)
    assert bench.app.return_code == 0
