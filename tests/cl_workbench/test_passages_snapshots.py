"""Pictures of what an answer rests on, at the smallest and a usual size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scripted_app import Bench
from scripted_retriever import NOTHING
from test_app_passages import asked, retrieving
from test_app_snapshots import Compare, picture

SIZES = [(80, 24), (120, 36)]
by_size = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    made = retrieving(tmp_path)
    yield made
    made.script.go.set()
    if made.app.session is not None:
        assert made.app.session.close(30)


@by_size
def test_an_answer_with_sources(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.sees("passages")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_the_passages(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        await bench.press(*["right_square_bracket"] * 2)
        await asked(bench)
        await bench.press("P")
        await bench.sees("Biased by it")

    assert snap_compare(bench.app, **picture(bench, body, size))


def test_no_passages(snap_compare: Compare, bench: Bench) -> None:
    bench.script.retrieval, bench.script.citations = NOTHING, ()

    async def body(bench: Bench) -> None:
        await asked(bench, NOTHING.query)
        await bench.press("P")
        await bench.sees("Nothing relevant was found")

    assert snap_compare(bench.app, **picture(bench, body, SIZES[0]))
