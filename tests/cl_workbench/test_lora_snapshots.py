"""Pictures of a document that becomes a LoRA, and of a training run, at three sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scripted_app import Bench, make_bench
from scripted_loras import LoraEngine, SimulatedLoraEngine
from test_app_snapshots import Compare, picture
from written_run import write_run

from cl_workbench.screens.training import TrainingScreen

SIZES = [(80, 24), (120, 36), (200, 50)]
by_size = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
Made = Any
# What stands below all else is in its place once this is.
TOP_ROW_HALFWAY = "29 ░░░░░░░░▒▒▒▒▓▓▓▓████····························    4.25"
TOP_ROW_AT_THE_END = "29 ░░░░░░░░▒▒▒▒▓▓▓▓████▓▓▓▓▒▒▒▒░░░░░░░░░░░░▒▒▒▒████    5.91"


@pytest.fixture
def made(tmp_path: Path) -> Any:
    benches: list[Bench] = []

    def make(engine: type) -> Bench:
        benches.append(make_bench(tmp_path, engine=engine))
        return benches[-1]

    yield make
    for bench in benches:
        bench.script.go.set()
        if bench.app.session is not None:
            assert bench.app.session.close(30)


async def learn(bench: Bench) -> None:
    if bench.app.size.width < 100:
        await bench.press("4")
    await bench.choose("harbour.md")
    await bench.press("l")


@by_size
def test_chunks_on_their_way(snap_compare: Compare, made: Made, size: tuple[int, int]) -> None:
    bench = made(LoraEngine)
    bench.script.learn_hold = 5

    async def body(bench: Bench) -> None:
        await learn(bench)
        await bench.sees("learning 33%")
        await bench.sees(TOP_ROW_HALFWAY)

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_a_document_that_became_a_lora(
    snap_compare: Compare, made: Made, size: tuple[int, int]
) -> None:
    async def body(bench: Bench) -> None:
        await learn(bench)
        await bench.sees("Learned The harbour light")
        await bench.sees(TOP_ROW_AT_THE_END)

    bench = made(LoraEngine)
    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_a_simulated_lora(snap_compare: Compare, made: Made, size: tuple[int, int]) -> None:
    bench = made(SimulatedLoraEngine)
    bench.script.learn_hold = 5

    async def body(bench: Bench) -> None:
        await learn(bench)
        await bench.sees("SIMULATED   the LoRA is random")
        await bench.sees("learning 33%")
        await bench.sees(TOP_ROW_HALFWAY)

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_a_training_run(
    snap_compare: Compare,
    made: Made,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
) -> None:
    folder = Path("runs") / "smollm2-135m"  # relative, since it stands in the picture
    monkeypatch.chdir(tmp_path)
    write_run(folder, 3500, "stopped")

    async def body(bench: Bench) -> None:
        bench.app.push_screen(TrainingScreen(folder))
        await bench.sees("goes on with it")

    bench = made(LoraEngine)
    assert snap_compare(bench.app, **picture(bench, body, size))
