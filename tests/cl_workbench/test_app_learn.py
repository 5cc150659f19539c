"""Learning from the screen: what a person presses, and what is then learned."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_app import SMALL, WIDE, Bench, make_bench, run
from scripted_engine import Script
from textual.widgets import Input

from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.confirm import ConfirmScreen
from engines.protocol import EngineError


@pytest.mark.parametrize("size", [SMALL, WIDE])
def test_learn_ask_compare_and_forget(tmp_path: Path, size: tuple[int, int]) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.learn("harbour.md")
        await bench.sees("Learned The harbour light in 0:30")
        await bench.press("c")
        await bench.type("How often?")
        await bench.until(lambda: bench.said[-1:] == [bench.script.learned_answer])
        await bench.until(lambda: not bench.screen._known.conversation.waiting)
        await bench.press("escape", "b")
        await bench.until(
            lambda: bench.said[-2:] == [bench.script.base_answer, bench.script.learned_answer]
        )
        await bench.press("x")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("y")
        await bench.until(lambda: bench.ledger == [])
        await bench.sees("0 learned")

    run(bench, body, size)


def test_escape_cancels_a_learning_and_the_ledger_stays(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=10))

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("learning 50%")
        assert "50%" in bench.text.splitlines()[6]  # the file's own line in the tree
        await bench.press("escape")
        bench.script.go.set()
        await bench.sees("Cancelled The harbour light")
        await bench.sees("ready")
        assert bench.ledger == []

    run(bench, body)


def test_escape_in_the_question_leaves_the_line_and_not_the_learning(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=10))

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("learning 50%")
        await bench.press("c")
        await bench.until(lambda: isinstance(bench.app.focused, Input))
        await bench.press("escape")
        await bench.until(lambda: not isinstance(bench.app.focused, Input))
        bench.script.go.set()
        await bench.until(lambda: len(bench.ledger) == 1)

    run(bench, body)


def test_an_engine_that_crashes_leaves_a_working_app(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(break_at=3))

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("Nothing was learned")
        await bench.sees("RuntimeError in the engine: see")
        bench.script.break_at = None
        await bench.learn("aviary.md")
        assert bench.ledger == ["The aviary"]

    run(bench, body)


def test_a_refused_document_says_why(tmp_path: Path) -> None:
    sentence = "[bold]This[/bold] is too strange: choose another document."
    bench = make_bench(tmp_path, Script(break_at=1, break_with=lambda: EngineError(sentence)))

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("[bold]This[/bold] is too strange")

    run(bench, body)


def test_notes_on_several_documents_are_all_told(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(notes=("The end was cut.",)))

    async def body(bench: Bench) -> None:
        bench.tree.move_cursor(bench.tree.root)
        await bench.press("l")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("y")
        await bench.sees("Learned 3 documents")
        for title in ("The aviary", "The harbour light"):
            assert f"{title}: The end was cut." in bench.text

    run(bench, body)


def test_a_typed_path_is_checked_and_learned(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.press("p")
        await bench.until(lambda: isinstance(bench.app.screen, AskTextScreen))
        await bench.type("nowhere.md")
        await bench.sees("There is no such file or folder")
        line = bench.app.screen.query_one(Input)
        line.value = str(bench.tree.folder / "aviary.md")
        await bench.press("enter")
        await bench.until(lambda: bench.ledger == ["The aviary"])

    run(bench, body)
