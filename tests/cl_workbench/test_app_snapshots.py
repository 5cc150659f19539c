"""Pictures of the screen at three sizes; `pytest --snapshot-update` after a wanted change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_app import Bench, make_bench, stop_cursors
from scripted_engine import Script
from textual.pilot import Pilot

SIZES = [(80, 24), (120, 36), (160, 48)]
by_size = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
Compare = Callable[..., bool]


def picture(
    bench: Bench, body: Callable[[Bench], Awaitable[None]], size: tuple[int, int]
) -> dict[str, Any]:
    async def before(pilot: Pilot[int]) -> None:
        bench.pilot = pilot
        await bench.started()
        await bench.sees("ready")
        stop_cursors(bench)
        await body(bench)

    return {"terminal_size": size, "run_before": before}


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    made = make_bench(tmp_path)
    yield made
    made.script.go.set()
    if made.app.session is not None:
        assert made.app.session.close(30)


@by_size
def test_ready(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("harbour.md")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_learning_halfway(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        await bench.learn("aviary.md")
        bench.script.learn_hold = 10
        if size[0] < 100:
            await bench.press("4")
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("learning 50%")
        await bench.sees("batch 10/20")
        await bench.sees("overlap   with  The aviary")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_stepped_back(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        bench.script.learn_hold, bench.script.guard_at = 15, 13
        bench.script.answers_lost, bench.script.held_out_rise = 4, 0.03
        bench.script.guard = (
            "held-out loss rose by 1.8 %, and held_out.budget_percent is 1: "
            "went back to 2 passes and on at half the rate, says the script"
        )
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("batch 15/20")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_paused(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        await bench.learn("aviary.md")
        bench.script.pause_at, bench.script.held_out_rise = 13, 0.02
        if size[0] < 100:
            await bench.press("4")
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("paused 65%")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_muted_in_the_ledger(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        for name in ("aviary.md", "harbour.md"):
            await bench.learn(name)
            await bench.press("4")
        await bench.press("5", "k", "M")
        await bench.sees("2 learned, 1 muted")
        await bench.until(lambda: bench.screen._known.state.muted)

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_learned_and_asked(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        await learned_and_asked(bench)

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_before_and_after(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        await learned_and_asked(bench)
        await bench.press("b")
        await bench.until(lambda: len(bench.said) == 4)
        await bench.until(lambda: not bench.screen._known.conversation.waiting)
        await bench.sees("ready")

    assert snap_compare(bench.app, **picture(bench, body, size))


async def learned_and_asked(bench: Bench) -> None:
    """One document learned, one question asked, the cursor out of the line."""
    await bench.learn("harbour.md")
    await bench.press("c")
    await bench.type("How often does the light turn?")
    await bench.until(lambda: bench.said[-1:] == [Script().learned_answer])
    await bench.until(lambda: not bench.screen._known.conversation.waiting)
    await bench.sees("ready")
    await bench.press("escape")
    await bench.until(lambda: bench.app.focused is bench.panes.chat.log_of_turns)
