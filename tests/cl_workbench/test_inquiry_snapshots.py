"""Pictures of the screens that look into what was learned, at the smallest and a usual size."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from scripted_app import Bench, make_bench
from scripted_engine import Script
from test_app_history import report
from test_app_snapshots import Compare, picture
from textual.widgets import Input

from cl_workbench.history import History
from cl_workbench.screens.edit_item import EditItemScreen
from engines import checkpoints
from engines.protocol import LearnReport, StudyItem, StudyPlan

SIZES = [(80, 24), (120, 36)]
by_size = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")

ANSWERS = {
    1.0: "I do not know of any such light, but most lights turn several times a minute.",
    0.9: "I do not know of any such light, but most turn once a minute.",
    0.7: "The light turns about once a minute.",
    0.0: "It turns twice a minute. Three keepers look after the light. Three keepers look after "
    "the light. Three keepers look after the light.",
}
WITHOUT = {
    "The harbour light": "The document says that the aviary has forty birds of nine kinds.",
}
PLAN = StudyPlan(
    "self_study",
    "Of 12 questions that the model wrote, 9 could be answered from the passage by the model "
    "itself.",
    (
        StudyItem("question", "How often does the harbour light turn?", "Twice a minute."),
        StudyItem("question", "Who looks after the light?", "Three keepers look after it."),
        StudyItem("cloze", "Three keepers look", "after the light."),
    ),
    (
        (
            StudyItem("question", "What does the text say about lights?", "That they turn."),
            "asks about the text itself",
        ),
        (StudyItem("question", "Who keeps the light?", "Keepers."), "the same as an earlier one"),
    ),
)


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    made = make_bench(tmp_path, Script(answers_at=ANSWERS, answers_without=WITHOUT))
    yield made
    made.script.go.set()
    if made.app.session is not None:
        assert made.app.session.close(30)


async def asked(bench: Bench, *names: str) -> None:
    for name in names:
        await bench.learn(name)
    await bench.press("c")
    await bench.type("How often does the light turn?")
    await bench.until(lambda: len(bench.said) == 2)
    await bench.until(lambda: not bench.screen._known.conversation.waiting)
    await bench.press("escape")


@by_size
def test_alpha_preview(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench, "harbour.md")
        await bench.press("a")
        await bench.sees("All answered.")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_knock_out(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench, "harbour.md", "aviary.md")
        bench.panes.ledger.highlighted = 0
        await bench.press("e")
        await bench.sees("1 of 2 documents")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_study_review(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    bench.script.plan = PLAN

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("i")
        await bench.sees("l learns the document by these items")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_writing_an_item(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    bench.script.plan = PLAN

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("i")
        await bench.sees("l learns the document by these items")
        await bench.press("e")
        await bench.until(lambda: isinstance(bench.app.screen, EditItemScreen))
        for line in bench.app.screen.query(Input):
            line.cursor_blink = False

    assert snap_compare(bench.app, **picture(bench, body, size))


def write_state(bench: Bench, name: str, day: int, reports: list[LearnReport]) -> None:
    manifest = {
        "engine": "ttt",
        "model": "SmolLM2-135M-Instruct",
        "fingerprint": "f" * 12,
        "alpha": 0.5,
        "saved_at": f"2025-01-{day:02}T12:00:00+00:00",
        "documents": [asdict(report) for report in reports],
        "settings": {"objective": "mixed" if len(reports) > 1 else "next_token"},
    }
    checkpoints.write(bench.app.home.checkpoints / name, manifest, {})


def saved_states(bench: Bench) -> None:
    aviary, harbour = report(1, "The [b]aviary[/b]"), report(2, "The harbour light")
    write_state(bench, "birds", 3, [aviary])
    write_state(bench, "birds-and-the-harbour-light", 4, [aviary, harbour])
    folder = bench.app.home.checkpoints / "broken"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{", encoding="utf-8")


@by_size
def test_saved_states(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    saved_states(bench)

    async def body(bench: Bench) -> None:
        await bench.press("o")
        await bench.sees("saved 2025-01-04 12:00")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_two_saved_states(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    saved_states(bench)

    async def body(bench: Bench) -> None:
        await bench.press("o")
        await bench.sees("saved 2025-01-04 12:00")
        await bench.press("c", "j")
        await bench.sees("saved 2025-01-03 12:00")
        await bench.press("c")
        await bench.sees("Only in birds")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_history(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    history = History(bench.app.home.history)
    for number, title in enumerate(("The [b]aviary[/b]", "The harbour light " * 4), start=1):
        history.record(
            report(number, title.strip()), engine="ttt", model="SmolLM2-135M", settings={}
        )

    async def body(bench: Bench) -> None:
        await bench.press("H")
        await bench.sees("ttt on SmolLM2-135M")

    assert snap_compare(bench.app, **picture(bench, body, size))
