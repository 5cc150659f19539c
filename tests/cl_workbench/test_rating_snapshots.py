"""Pictures of a rated answer and of what each passage lifted in it, at three sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scripted_app import Bench
from test_app_passages import asked
from test_app_rating import DOWN, UP, rated, told
from test_app_snapshots import Compare, by_size, picture


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    made = rated(tmp_path)
    yield made
    made.script.go.set()
    if made.app.session is not None:
        assert made.app.session.close(30)


@by_size
def test_a_rated_answer(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench, "How high is the tower?")
        await bench.press("-")
        await bench.sees(DOWN)
        await asked(bench)
        await bench.press("+")
        await told(bench, "their returns rose")
        await bench.sees(UP)
        bench.app.clear_notifications()  # how many still stand is a matter of seconds
        await bench.until(lambda: "their returns" not in bench.text)

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_what_was_lifted(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.press("P")
        await bench.sees("Lifted by it")

    assert snap_compare(bench.app, **picture(bench, body, size))
