"""The saved states on screen: opening, saving, renaming, deleting, comparing."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_app import Bench, make_bench, run
from scripted_engine import Script
from textual.widgets import Input, Static

from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.checkpoint_list import CheckpointsScreen
from cl_workbench.screens.confirm import ConfirmScreen
from widgets.record_table import RecordTable

SIZES = [(80, 24), (120, 36), (200, 50)]


def screen_of(bench: Bench) -> CheckpointsScreen:
    return next(s for s in bench.app.screen_stack if isinstance(s, CheckpointsScreen))


def names(bench: Bench) -> list[str]:
    return [record.cells[0] for record in screen_of(bench).query_one(RecordTable).records]


def panel(bench: Bench) -> str:
    return str(screen_of(bench).query_one("#saved-detail Static", Static).render())


async def opened(bench: Bench) -> None:
    await bench.press("o")
    await bench.until(lambda: isinstance(bench.app.screen, CheckpointsScreen))


async def save(bench: Bench, name: str) -> None:
    """Save under ``name`` in the list of saved states."""
    await bench.press("s")
    await bench.until(lambda: isinstance(bench.app.screen, AskTextScreen))
    await bench.type(name)
    await bench.until(lambda: name in names(bench))
    await bench.sees(f"Saved as {name}.")


async def two_saved(bench: Bench) -> None:
    """``birds`` holds one document and ``both`` that and another one."""
    await bench.learn("aviary.md")
    await opened(bench)
    await save(bench, "birds")
    await bench.press("escape")
    await bench.until(lambda: bench.app.screen is bench.screen)
    await bench.learn("harbour.md")
    await bench.press("left_square_bracket")
    await opened(bench)
    await save(bench, "both")


async def marked(bench: Bench, name: str) -> None:
    """Move the cursor to ``name``."""
    table = screen_of(bench).query_one(RecordTable)
    table.options.highlighted = names(bench).index(name)
    await bench.until(lambda: panel(bench).startswith(name))


@pytest.mark.parametrize("size", SIZES)
def test_a_state_is_saved_shown_and_opened(tmp_path: Path, size: tuple[int, int]) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await two_saved(bench)
        await marked(bench, "birds")
        assert "The aviary" in panel(bench)
        assert "The harbour light" not in panel(bench)
        for words in ("birds", "NAME", "WHEN", "SIZE", "kB", "0.50"):
            assert words in bench.text
        await bench.press("enter")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("y")
        await bench.until(lambda: bench.app.screen is bench.screen)
        await bench.until(lambda: bench.ledger == ["The aviary"])

    run(bench, body, size)


@pytest.mark.parametrize("size", SIZES)
def test_two_states_are_held_against_each_other(tmp_path: Path, size: tuple[int, int]) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await two_saved(bench)
        await marked(bench, "birds")
        await bench.press("c")
        await bench.sees("Marked birds: move to another one and press c.")
        await marked(bench, "both")
        await bench.press("c")
        await bench.until(lambda: "birds and both" in panel(bench))
        text = panel(bench)
        assert "In both (1)" in text
        assert "Only in birds: none" in text
        assert "Only in both (1)" in text
        assert "α 0.50 and 0.45" in text
        await bench.press("c")
        await bench.press("c")  # the same one again takes the mark away
        await bench.until(lambda: "Marked" not in bench.text)

    run(bench, body, size)


def test_a_state_is_renamed_and_deleted(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await two_saved(bench)
        await marked(bench, "birds")
        await bench.press("r")
        await bench.until(lambda: isinstance(bench.app.screen, AskTextScreen))
        bench.app.screen.query_one(Input).value = "aviary"
        await bench.press("enter")
        await bench.sees("It is aviary now.")
        await bench.until(lambda: set(names(bench)) == {"aviary", "both"})
        await bench.until(lambda: panel(bench).startswith("aviary"))
        await bench.press("d")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("n")
        await bench.until(lambda: bench.app.screen is screen_of(bench))
        await bench.press("d")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("y")
        await bench.sees("Deleted aviary.")
        await bench.until(lambda: names(bench) == ["both"])
        assert not (bench.app.home.checkpoints / "aviary").exists()

    run(bench, body)


def test_a_name_that_is_taken_is_refused_and_both_stay(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await two_saved(bench)
        await marked(bench, "birds")
        await bench.press("r")
        await bench.until(lambda: isinstance(bench.app.screen, AskTextScreen))
        bench.app.screen.query_one(Input).value = "both"
        await bench.press("enter")
        await bench.sees("choose another name")
        assert set(names(bench)) == {"birds", "both"}

    run(bench, body)


def test_a_damaged_state_says_so_and_can_only_be_deleted(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    folder = bench.app.home.checkpoints / "broken"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{", encoding="utf-8")

    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.sees("has a damaged manifest")
        screen = screen_of(bench)
        offered = {a for a in ("open", "rename", "compare", "delete") if screen.check_action(a, ())}
        assert offered == {"delete"}
        await bench.press("enter", "escape")
        await bench.until(lambda: bench.app.screen is bench.screen)

    run(bench, body)


def test_a_save_that_ends_after_the_list_was_left_is_told(tmp_path: Path) -> None:
    script = Script()
    bench = make_bench(tmp_path, script)

    async def body(bench: Bench) -> None:
        await bench.learn("aviary.md")
        script.learn_hold = 5
        await bench.choose("harbour.md")
        bench.tree.focus()
        await bench.press("l")
        await bench.sees("learning 25%")
        await opened(bench)
        await bench.press("s")
        await bench.until(lambda: isinstance(bench.app.screen, AskTextScreen))
        await bench.type("birds")
        await bench.sees("Saving birds")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)
        script.go.set()
        await bench.sees("Saved as birds.")
        assert (bench.app.home.checkpoints / "birds").is_dir()

    run(bench, body)


def test_opening_over_the_first_document_while_it_is_learned_is_asked_about(
    tmp_path: Path,
) -> None:
    script = Script()
    bench = make_bench(tmp_path, script)

    async def body(bench: Bench) -> None:
        await bench.learn("aviary.md")
        await opened(bench)
        await save(bench, "birds")
        await bench.press("escape", "R", "y")
        await bench.until(lambda: not bench.ledger)
        script.learn_hold = 5
        await bench.choose("harbour.md")
        bench.tree.focus()
        await bench.press("l")
        await bench.sees("learning 25%")
        await opened(bench)
        await bench.until(lambda: names(bench) == ["birds"])
        await bench.press("enter")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.sees("still")
        await bench.press("n", "escape")
        script.go.set()
        await bench.until(lambda: bench.ledger == ["The harbour light"])
        await bench.sees("ready")
        assert not bench.screen._known.learns

    run(bench, body)
