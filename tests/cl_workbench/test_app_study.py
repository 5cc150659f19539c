"""The study review on screen: reading, changing, exporting, and learning by the items."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_app import Bench, make_bench, run
from scripted_engine import Script
from textual.widgets import Input

from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.confirm import ConfirmScreen
from cl_workbench.screens.edit_item import EditItemScreen
from cl_workbench.screens.study_review import StudyReviewScreen
from engines.protocol import StudyItem, StudyPlan
from engines.ttt.study.items import read_items
from widgets.study_list import StudyList

SIZES = [(80, 24), (120, 36), (200, 50)]
WHO = StudyItem("question", "Who built the [red]light[/red]?", "Masons, in 1871.", "Built.")
IT = StudyItem("cloze", "It turns", "twice a minute.")
BAD = StudyItem("question", "What does the text say?", "Much.")
PLAN = StudyPlan(
    "self_study", "The model writes usable questions.", (WHO, IT), ((BAD, "asks about the text"),)
)


def study(bench: Bench) -> StudyReviewScreen:
    screen = next(s for s in bench.app.screen_stack if isinstance(s, StudyReviewScreen))
    return screen


def prompts(bench: Bench, name: str = "#study-items") -> list[str]:
    return [row.prompt for row in study(bench).query_one(name, StudyList).rows]


async def opened(bench: Bench) -> None:
    await bench.sees("ready")
    await bench.choose("harbour.md")
    await bench.press("i")
    await bench.sees("l learns the document by these items")


@pytest.mark.parametrize("size", SIZES)
def test_items_are_changed_and_learned_by(tmp_path: Path, size: tuple[int, int]) -> None:
    bench = make_bench(tmp_path, Script(plan=PLAN))

    async def body(bench: Bench) -> None:
        await opened(bench)
        for words in ("self_study", "usable questions", "[red]light[/red]", "asks about the text"):
            assert words in bench.text
        await bench.press("d")
        assert prompts(bench) == [IT.prompt]
        assert prompts(bench, "#study-rejected") == [WHO.prompt, BAD.prompt]
        await bench.press("e")
        await bench.until(lambda: isinstance(bench.app.screen, EditItemScreen))
        await bench.press("end")
        await bench.type(" about")
        await bench.until(lambda: bench.app.screen is study(bench))
        assert prompts(bench) == ["It turns about"]
        await bench.press("tab", "u")
        assert prompts(bench) == ["It turns about", WHO.prompt]
        await bench.press("n")
        await bench.until(lambda: isinstance(bench.app.screen, EditItemScreen))
        await bench.type("Where?")
        await bench.until(lambda: getattr(bench.app.focused, "id", "") == "item-answer")
        await bench.type("At the cape.")
        await bench.until(lambda: len(prompts(bench)) == 3)
        await bench.press("l")
        await bench.until(lambda: len(bench.ledger) == 1)
        learned = bench.script.studied[-1]
        assert [item.prompt for item in learned.study] == ["It turns about", WHO.prompt, "Where?"]
        assert learned.study[1].passage == "Built."
        assert learned.path is not None

    run(bench, body, size)


def test_items_are_exported_under_a_name(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(plan=PLAN))
    target = tmp_path / "home" / "exports" / "harbour-study.jsonl"

    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.press("s")
        await bench.until(lambda: isinstance(bench.app.screen, AskTextScreen))
        assert bench.app.screen.query_one(Input).value == "harbour-study.jsonl"
        await bench.press("enter")
        await bench.sees("Wrote 2 items to")
        assert read_items(target) == (WHO, IT)
        await bench.press("s")
        await bench.until(lambda: isinstance(bench.app.screen, AskTextScreen))
        await bench.press("enter")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("n")
        await bench.until(lambda: bench.app.screen is study(bench))

    run(bench, body)


def test_leaving_while_items_are_prepared_stops_it(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(plan=PLAN, study_hold=2))

    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.choose("harbour.md")
        await bench.press("i")
        await bench.sees("Writing questions; esc stops it.")
        assert "50%" in bench.text
        await bench.press("l")  # nothing to learn by yet
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)
        bench.script.go.set()
        await bench.sees("ready")
        assert bench.script.studied == []

    run(bench, body)


def test_changes_are_not_thrown_away_unasked(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(plan=PLAN))

    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.press("d", "escape")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("n")
        await bench.until(lambda: bench.app.screen is study(bench))
        await bench.press("escape")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("y")
        await bench.until(lambda: bench.app.screen is bench.screen)

    run(bench, body)


def test_a_document_without_items_says_what_to_press(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.choose("harbour.md")
        await bench.press("i")
        await bench.sees("This document is learned without items")
        await bench.press("l")
        await bench.sees("There is no item to learn by")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)

    run(bench, body)


def test_where_the_text_alone_is_learned_no_items_are_offered(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.app.settings.set_user("ttt.objective", "next_token")

    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.choose("harbour.md")
        await bench.press("i")
        await bench.sees("learns the text alone, without items: esc and l learn it.")
        screen = study(bench)
        assert not any(screen.check_action(name, ()) for name in ("add", "learn", "export"))
        assert "n writes" not in bench.text
        await bench.press("n", "l")
        assert bench.app.screen is screen
        assert bench.script.studied == []

    run(bench, body)


def test_a_folder_has_no_items(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.choose("papers")
        await bench.press("i")
        await bench.sees("Choose a file in Documents first")

    run(bench, body)
