"""Thumbs up and down for ACE's answers: a model is asked, live, and can be stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_ace_app import PacedRoles, ace_bench, roles
from scripted_app import SMALL, WIDE, Bench, run
from test_app_rating import DOWN, UP, notes, told

from engines.ace.settings import AceSettings
from tests.engines.ace.scripted_roles import add, curates

RULE = "Name the unit with the number."
PLAIN = AceSettings(loops=1, written_questions=0)
by_size = pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "120x36"])


def rater(**rules: object) -> PacedRoles:
    return roles(**({"curator": curates(add(RULE)), "answer": lambda r: "Twice."} | rules))


def bench_of(folder: Path, model: PacedRoles, settings: AceSettings = PLAIN) -> Bench:
    return ace_bench(folder, model, settings)


async def answered(bench: Bench) -> None:
    """A document kept for context, and one question asked about it."""
    await bench.sees("ready")
    await bench.learn("harbour.md")
    await bench.press("c")
    await bench.type("How often does the light turn?")
    await bench.until(lambda: bench.said and bench.said[-1].startswith("Twice."))
    await bench.until(lambda: not bench.screen._known.conversation.waiting)
    await bench.press("escape")


def bullets(bench: Bench) -> list[str]:
    state = bench.screen._known.state
    assert state is not None
    assert state.history is not None
    return [bullet.text for bullet in state.history.playbook.bullets]


@by_size
def test_a_thumb_up_changes_the_playbook_and_is_taken_back(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def body(bench: Bench) -> None:
        await answered(bench)
        await bench.press("+")
        await told(bench, "up: the playbook got 1 change.")
        await bench.sees(UP)
        assert bullets(bench) == [RULE]
        await bench.until(lambda: bench.screen.offers("undo_rating"))
        await bench.press("u")
        await told(bench, "the playbook is as before it.")
        await bench.until(lambda: UP not in bench.text)
        assert bullets(bench) == []

    run(bench_of(tmp_path, rater()), body, size)


@by_size
def test_a_thumb_down_asks_what_would_have_been_better(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    model = rater()

    async def body(bench: Bench) -> None:
        await answered(bench)
        await bench.press("-")
        await bench.sees("What would you have liked to read?")
        await bench.type("Twice a minute.")
        await bench.sees(DOWN)
        assert "Twice a minute." in model.of("reflector")[-1].turns[-1].content

    run(bench_of(tmp_path, model), body, size)


def test_a_thumb_down_may_go_without_a_better_answer_and_esc_rates_nothing(
    tmp_path: Path,
) -> None:
    model = rater(curator=curates())

    async def body(bench: Bench) -> None:
        await answered(bench)
        await bench.press("-")
        await bench.sees("enter alone rates it down without")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)
        assert model.of("reflector") == []
        await bench.press("-")
        await bench.sees("What would you have liked")
        await bench.press("enter")
        await told(bench, "down: nothing in the playbook changed.")
        assert "liked to read" not in model.of("reflector")[-1].turns[-1].content

    run(bench_of(tmp_path, model), body)


@by_size
def test_a_rating_is_told_live_and_stopped_without_a_trace(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    model = rater()

    async def body(bench: Bench) -> None:
        await answered(bench)
        model.hold = (len(model.asked) + 2, 1)
        await bench.press("+")
        await bench.sees("the curator changes the playbook")
        await bench.sees("● rating")
        await bench.press("escape")
        model.go.set()
        await told(bench, "The rating was cancelled: nothing was changed.")
        assert UP not in bench.text
        assert bullets(bench) == []
        await bench.press("+")
        await told(bench, "up: the playbook got 1 change.")

    run(bench_of(tmp_path, model), body, size)


def test_a_patch_that_is_held_is_said_to_wait(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await answered(bench)
        await bench.press("+")
        await told(bench, "up: nothing in the playbook changed, and 1 waits for you: press B.")
        assert "cancelled" not in notes(bench)

    run(bench_of(tmp_path, rater(), AceSettings(written_questions=0, review="hold")), body)
