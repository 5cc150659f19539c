"""Pictures of the playbook at the smallest, a usual and a large size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scripted_app import Bench, make_bench
from scripted_playbook import PlaybookEngine, WaitingEngine
from test_app_playbook import opened
from test_app_playbook_review import opened_while_learning
from test_app_snapshots import Compare, picture

from cl_workbench.screens.playbook_edit import BulletText
from engines.ace import files

SIZES = [(80, 24), (120, 36), (200, 50)]
by_size = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
Size = tuple[int, int]


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    made = make_bench(tmp_path, engine=WaitingEngine)
    yield made
    made.script.go.set()
    if made.app.session is not None:
        assert made.app.session.close(30)


@by_size
def test_bullets(snap_compare: Compare, bench: Bench, size: Size) -> None:
    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.press("j")
        await bench.sees("strategy-00002   strategies")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_review(snap_compare: Compare, bench: Bench, size: Size) -> None:
    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.press("2")
        await bench.sees("2 flagged")
        await bench.press("j")
        await bench.sees("UPDATE strategy-00001")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_changes(snap_compare: Compare, bench: Bench, size: Size) -> None:
    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.press("3", "G", "m", *"kkkk")
        await bench.sees("From revision 0 to 4")

    assert snap_compare(bench.app, **picture(bench, body, size))


def test_a_new_bullet(snap_compare: Compare, bench: Bench) -> None:
    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.press("a")
        await bench.sees("A new bullet")
        bench.app.screen.query_one(BulletText).cursor_blink = False
        await bench.press(*"Count the flashes.")
        await bench.sees("18 of 600")

    assert snap_compare(bench.app, **picture(bench, body, SIZES[0]))


def test_saved_playbooks(
    snap_compare: Compare, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "now", lambda: "2025-01-01T10:00:00+00:00")
    folder = tmp_path / "home" / "playbooks"
    files.save(folder, "harbour", WaitingEngine.begin())

    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.sees("harbour, saved")
        await bench.press("o")
        await bench.sees("REVISIONS")

    assert snap_compare(bench.app, **picture(bench, body, SIZES[0]))


def test_an_empty_playbook(snap_compare: Compare, tmp_path: Path) -> None:
    bench = make_bench(tmp_path, engine=PlaybookEngine)

    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.sees("The playbook is empty")

    try:
        assert snap_compare(bench.app, **picture(bench, body, SIZES[0]))
    finally:
        if bench.app.session is not None:
            assert bench.app.session.close(30)


@by_size
def test_deciding_while_learning(snap_compare: Compare, bench: Bench, size: Size) -> None:
    bench.script.learn_hold = 3

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("learning")
        await opened_while_learning(bench)
        await bench.press("2", "G")
        await bench.sees("8 waiting")
        await bench.press("y", "n")
        await bench.sees("rejected, before the next question")

    assert snap_compare(bench.app, **picture(bench, body, size))
