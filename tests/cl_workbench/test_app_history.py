"""The learning history on screen, and the files it is written into."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from scripted_app import Bench, make_bench, run
from textual.widgets import Input

from cl_workbench.history import History
from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.history_table import HistoryScreen
from engines.protocol import LearnReport
from widgets.record_table import RecordTable

SIZES = [(80, 24), (120, 36), (200, 50)]


def report(number: int, title: str) -> LearnReport:
    return LearnReport(
        id=f"{number:012x}", title=title, path=f"{title}.md", tokens=900, tokens_read=884,
        loss_before=3.4, loss_after=1.2, held_out_loss_before=3.0, held_out_loss_after=3.003,
        seconds=61.0, tokens_per_second=212.0, gate_open_share=0.25, alpha=0.5,
        learned_at=f"2025-01-0{number}T12:00:00+00:00", notes=("A note.",),
        objective="mixed", answers_kept=0.95, answers_probed=20,
    )  # fmt: skip


def bench_with_history(folder: Path) -> Bench:
    bench = make_bench(folder)
    history = History(bench.app.home.history)
    for number, title in enumerate(("The [b]aviary[/b]", "The harbour light"), start=1):
        history.record(report(number, title), engine="ttt", model="SmolLM2-135M", settings={})
    return bench


@pytest.mark.parametrize("size", SIZES)
def test_the_newest_is_first_and_the_marked_one_is_told_of(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    bench = bench_with_history(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.press("H")
        await bench.sees("SmolLM2-135M")
        table = bench.app.screen.query_one(RecordTable)
        assert [r.cells[1] for r in table.records] == ["The harbour light", "The [b]aviary[/b]"]
        for words in ("3.40 → 1.20", "+0.1%", "95%", "2025-01-02 12:00", "harbour light.md"):
            assert words in bench.text
        await bench.press("j")
        await bench.sees("[b]aviary[/b].md")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)

    run(bench, body, size)


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_the_history_is_written_into_a_file(tmp_path: Path, ending: str) -> None:
    bench = bench_with_history(tmp_path)
    target = bench.app.home.root / "exports" / f"learned.{ending}"

    async def body(bench: Bench) -> None:
        await bench.press("H")
        await bench.sees("SmolLM2-135M")
        await bench.press("e")
        await bench.until(lambda: isinstance(bench.app.screen, AskTextScreen))
        bench.app.screen.query_one(Input).value = "learned.txt"
        await bench.press("enter")
        await bench.sees("has to end in .csv or .json")
        bench.app.screen.query_one(Input).value = f"learned.{ending}"
        await bench.press("enter")
        await bench.sees("Wrote 2 rows to")

    run(bench, body)
    text = target.read_text(encoding="utf-8")
    rows = json.loads(text)["history"] if ending == "json" else [*csv.DictReader(text.splitlines())]
    assert [row["title"] for row in rows] == ["The [b]aviary[/b]", "The harbour light"]


def test_an_empty_history_says_what_to_press(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.press("H")
        await bench.sees("Nothing was learned yet")
        assert not bench.app.screen.check_action("export", ())

    run(bench, body)


def test_a_damaged_history_is_told_of(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.app.home.history.parent.mkdir(parents=True, exist_ok=True)
    bench.app.home.history.write_bytes(b"no database" * 100)

    async def body(bench: Bench) -> None:
        await bench.press("H")
        await bench.until(lambda: isinstance(bench.app.screen, HistoryScreen))
        await bench.sees("is damaged: move it away")

    run(bench, body)
