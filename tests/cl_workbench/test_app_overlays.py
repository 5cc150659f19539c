"""Dialogs and sheets over the workbench are closed by a key pressed twice, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_app import Bench, make_bench, run
from scripted_engine import Script
from textual import events
from textual.screen import Screen

from engines.protocol import StudyItem, StudyPlan

PLAN = StudyPlan("mixed", "A script has items.", (StudyItem("given", "Who?", "Masons."),))


async def twice(bench: Bench, key: str) -> None:
    """Press ``key`` twice before the first press is handled."""
    character = {"enter": "\r", "escape": None}.get(key, key)
    for _ in range(2):
        bench.app.post_message(events.Key(key, character))
    await bench.pilot.pause()


async def opened(bench: Bench, key: str) -> Screen[object]:
    """Press ``key`` and wait for what it opens."""
    below = bench.app.screen
    await bench.press(key)
    await bench.until(lambda: bench.app.screen is not below and bench.app.screen.is_mounted)
    return bench.app.screen


@pytest.mark.parametrize(
    ("opens", "text", "key"),
    [
        ("x", "", "enter"),
        ("x", "", "y"),
        ("s", "", "escape"),
        ("s", "birds", "enter"),
        ("f1", "", "escape"),
        ("a", "", "enter"),
        ("a", "", "escape"),
        ("e", "", "escape"),
        ("o", "", "escape"),
        ("H", "", "escape"),
        ("i", "", "escape"),
        ("i", "", "l"),
        ("ie", "", "enter"),
        ("os", "birds", "enter"),
    ],
)
def test_a_key_pressed_twice_does_not_close_the_workbench(
    tmp_path: Path, opens: str, text: str, key: str
) -> None:
    bench = make_bench(tmp_path, Script(plan=PLAN))

    async def body(bench: Bench) -> None:
        await bench.learn("aviary.md")
        await bench.press("c")
        await bench.type("How many?")
        await bench.until(lambda: len(bench.said) == 2)
        await bench.sees("ready")
        await bench.press("escape", "4")
        await bench.choose("harbour.md")
        screens: list[Screen[object]] = [bench.screen]
        for opener in [opens] if opens == "f1" else opens:
            screens.append(await opened(bench, opener))
            if opener == "i":
                await bench.sees("l learns the document by these items")
        await bench.press(*text)
        await twice(bench, key)
        await bench.until(lambda: bench.app.screen is not screens[-1])
        assert bench.screen in bench.app.screen_stack

    run(bench, body)
