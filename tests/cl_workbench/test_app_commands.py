"""Saving, help, the palette and the theme."""

from __future__ import annotations

from pathlib import Path

from scripted_app import Bench, make_bench, run
from textual.binding import Binding
from textual.widgets import Input

from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.checkpoint_list import CheckpointsScreen
from cl_workbench.screens.help import HelpScreen
from cl_workbench.screens.keys import BINDINGS


def test_save_reset_and_open_again(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.learn("aviary.md")
        await bench.press("s")
        await bench.until(lambda: isinstance(bench.app.screen, AskTextScreen))
        await bench.type("../away")
        await bench.sees("can't be a checkpoint name")
        bench.app.screen.query_one(Input).value = "birds-1"
        await bench.press("enter")
        await bench.sees("Saved as birds-1.")
        assert (bench.app.home.checkpoints / "birds-1" / "manifest.json").is_file()
        await bench.press("R")
        await bench.sees("Forget everything?")
        await bench.press("y")
        await bench.until(lambda: bench.ledger == [])
        await bench.press("o")
        await bench.until(lambda: isinstance(bench.app.screen, CheckpointsScreen))
        await bench.sees("birds-1")
        await bench.press("enter")
        await bench.until(lambda: bench.ledger == ["The aviary"])

    run(bench, body)


def test_nothing_saved_says_what_to_press(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.press("o")
        await bench.sees("Nothing is saved yet")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)

    run(bench, body)


def test_help_lists_every_bound_key_with_its_meaning(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.press("f1")
        await bench.until(lambda: isinstance(bench.app.screen, HelpScreen))
        await bench.sees("Learn the chosen file or folder")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)
        bindings = list(Binding.make_bindings(BINDINGS))
        assert all(binding.tooltip and binding.id for binding in bindings)
        assert len({binding.id for binding in bindings}) == len(bindings)

    run(bench, body)


def test_the_palette_offers_the_commands_and_textuals_own(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        titles = {command.title for command in bench.app.get_system_commands(bench.screen)}
        assert {"Learn", "Saved states", "Path", "Save screenshot", "Theme", "Quit"} <= titles
        assert "Forget" not in titles  # nothing is learned yet
        bench.app.action_save_screenshot()
        await bench.sees("Saved ")
        assert list((bench.app.home.root / "screenshots").glob("*.svg"))

    run(bench, body)


def test_a_command_that_turns_to_a_pane_works_while_a_line_is_typed_in(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.press("c", "h", "m")
        commands = {c.title: c for c in bench.app.get_system_commands(bench.screen)}
        await commands["Documents"].callback()
        await bench.until(lambda: bench.tree.has_focus)
        assert bench.panes.chat.question == "hm"

    run(bench, body)


def test_a_theme_is_kept_and_unknown_ones_do_no_harm(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        assert bench.app.theme == "workbench-dark"
        for theme in ("workbench-light", "textual-ansi", "nord", "workbench-light"):
            if theme in bench.app.available_themes:
                bench.app.theme = theme
                await bench.pilot.pause()
        await bench.until(lambda: bench.app.settings.get("ui.theme") == "workbench-light")

    run(bench, body)
    assert "workbench-light" in bench.app.home.user_settings.read_text(encoding="utf-8")
