"""Learning folders: what is asked before, and what is told meanwhile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scripted_app import SMALL, WIDE, Bench, make_bench, run
from scripted_engine import Script
from textual.widgets import Input

from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.confirm import ConfirmScreen


def test_a_folder_is_counted_and_asked_about(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        bench.tree.move_cursor(bench.tree.root)
        await bench.press("l")
        await bench.sees("Learn the 3 documents in documents?")
        assert "aviary.md, harbour.md, lighthouse.txt." in bench.text
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)
        await bench.press("l")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("down", "enter")
        await bench.until(lambda: len(bench.ledger) == 3)
        await bench.sees("Learned 3 documents")

    run(bench, body)


@pytest.mark.parametrize("size", [SMALL, WIDE])
def test_a_typed_folder_is_asked_about_with_what_is_left_out(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=10))
    other = tmp_path / "letters"
    other.mkdir()
    for number in range(7):
        (other / f"letter-{number}.md").write_text(f"# Letter {number}\n\nDear aunt.")
    (other / "empty.txt").write_text("")
    (other / "photo.png").write_bytes(b"\x89PNG")

    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.press("p")
        await bench.until(lambda: isinstance(bench.app.screen, AskTextScreen))
        bench.app.screen.query_one(Input).value = str(other)
        await bench.press("enter")
        await bench.sees("Learn the 7 documents in letters?")
        words = " ".join(re.sub("[│├└▸▾]", " ", bench.text).split())
        assert "letter-0.md, letter-1.md" in words
        assert "letter-4.md and 2 more." in words
        assert "1 can't be read: empty.txt." in words
        assert "1 left out: photo.png." in words
        assert "Yes, learn 7 documents" in words
        await bench.press("y")
        await bench.sees("document 1 of 7")
        bench.script.learn_hold = None
        bench.script.go.set()
        await bench.sees("Learned 7 documents")

    run(bench, body, size)


@pytest.mark.parametrize("size", [(100, 36), WIDE, (160, 48)])
def test_the_place_among_several_documents_fits_the_learn_pane(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=10))

    async def body(bench: Bench) -> None:
        bench.tree.move_cursor(bench.tree.root)
        await bench.press("l")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("y")
        await bench.sees("learning 50%")
        await bench.sees("The aviary   document 1 of 3")
        await bench.sees("0:15 left")

    run(bench, body, size)


def test_the_read_pane_tells_what_of_a_folder_is_learned(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    (tmp_path / "documents" / "empty.txt").write_text("")

    async def body(bench: Bench) -> None:
        bench.tree.move_cursor(bench.tree.root)
        await bench.press("3")
        await bench.sees("3 documents will be learned with l, 1 left out.")
        await bench.sees("is empty")

    run(bench, body)
