"""Following a training run on screen, by its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from scripted_app import SMALL, WIDE, Bench, make_bench, run
from written_run import STEPS, evaluated, step_done, write_run

from cl_workbench.screens.training import TrainingScreen

SIZES = pytest.mark.parametrize("size", [SMALL, WIDE, (200, 50)], ids=lambda size: f"{size[0]}")


async def followed(bench: Bench, folder: Path) -> None:
    await bench.sees("ready")
    await bench.press("F")
    await bench.sees("Follow a training run")
    await bench.press(*["backspace"] * 200)
    await bench.type(str(folder))
    await bench.sees("Training a hypernetwork")


@SIZES
def test_curves_evaluations_and_samples_are_seen_and_go_on(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    folder = tmp_path / "r"
    written = write_run(folder)

    async def body(bench: Bench) -> None:
        await followed(bench, folder)
        for part in (
            "running", "step 1,500 of 6,000", "stage 1", "1,834 tok/s", "27.5M parameters",
            "71,904 questions on 38,112 contexts", "1 step skipped", "loss", "3.85 → 1.88", "gain",
            "49%",
        ):  # fmt: skip
            await bench.sees(part)
        await bench.press("end")
        for part in ("samples at step 1,500", "Who built [b]the mill[/b]?", "Hanne 1500"):
            await bench.sees(part)
        written.append(step_done(1550))
        written.append(evaluated(1550))
        written.status("done", STEPS, STEPS)
        await bench.sees("The run has done all its steps.")
        await bench.press("home")
        await bench.sees("step 6,000 of 6,000")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)

    run(make_bench(tmp_path), body, size)


def test_a_run_whose_process_is_gone_has_stopped_and_is_looked_at_again(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    written = write_run(folder)
    status = folder / "status.json"
    gone = 2**22 + 17  # above the highest number that a process can have
    status.write_text(status.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {gone}'))

    async def body(bench: Bench) -> None:
        await followed(bench, folder)
        await bench.sees("stopped")
        await bench.sees("--resume` goes on with it")
        written.status("running", 1600, STEPS)
        await bench.press("r")
        await bench.sees("step 1,600 of 6,000")
        await bench.sees("Following it")

    run(make_bench(tmp_path), body)


def test_what_is_no_run_is_told_before_it_is_looked_at(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("F")
        await bench.sees("Follow a training run")
        await bench.press("enter")
        await bench.sees("No training run is there")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)

    run(make_bench(tmp_path), body)


def test_lines_of_another_version_are_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    write_run(folder)
    (folder / "curve.jsonl").write_text('{"step": 1, "los": 2}\n')

    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        bench.app.push_screen(TrainingScreen(folder))
        await bench.sees("failed")
        said = "it may be of another version"
        await bench.until(lambda: said in " ".join(bench.text.split()))
        await bench.sees("r looks again")

    run(make_bench(tmp_path), body)
