"""Thumbs up and down on screen: what is rated, what it says, and how it is taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_app import SMALL, WIDE, Bench, make_bench, run
from scripted_engine import Script
from scripted_rater import USED_NOTHING, RatedEngine
from scripted_retriever import CITED, FOUND, NOTHING
from test_app_passages import asked

UP, DOWN = "▲ rated up", "▼ rated down"
DONE = "up: 7 tokens of this answer rest on 41 stored ones"
by_size = pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "120x36"])


def notes(bench: Bench) -> str:
    """What was told in passing; on screen it is broken into lines."""
    return " ".join(note.message for note in bench.app._notifications)


async def told(bench: Bench, words: str) -> None:
    await bench.until(lambda: words in notes(bench))


def rated(folder: Path, **script: object) -> Bench:
    script.setdefault("retrieval", FOUND)
    script.setdefault("citations", CITED)
    return make_bench(folder, Script(**script), engine=RatedEngine)  # type: ignore[arg-type]


@by_size
def test_an_answer_is_rated_and_the_rating_taken_back(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        assert not bench.screen.offers("undo_rating")
        await bench.press("+")
        await told(bench, DONE)
        await bench.sees(UP)
        await bench.until(lambda: bench.screen.offers("undo_rating"))
        await bench.press("u")
        await told(bench, 'Took back "up"')
        await bench.until(lambda: UP not in bench.text)
        await bench.press("-")
        await bench.sees(DOWN)

    run(rated(tmp_path), body, size)


def test_only_the_last_rating_is_taken_back_and_each_mark_stays_at_its_answer(
    tmp_path: Path,
) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench, "How often?")
        await bench.press("+")
        await bench.sees(UP)
        await asked(bench, "How high?")
        await bench.press("-")
        await bench.sees(DOWN)
        assert bench.text.index(UP) < bench.text.index("How high?") < bench.text.index(DOWN)
        await bench.press("u")
        await bench.until(lambda: DOWN not in bench.text)
        assert UP in bench.text

    run(rated(tmp_path), body, (120, 60))


def test_the_mark_goes_when_everything_is_forgotten(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.press("+")
        await bench.sees(UP)
        await bench.press("R")
        await bench.sees("Yes, forget everything")
        await bench.press("up", "enter")
        await bench.until(lambda: not bench.ledger)
        await bench.until(lambda: UP not in bench.text)

    run(rated(tmp_path), body)


def test_without_an_answer_there_is_nothing_to_rate(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.press("+")
        await told(bench, "There is no answer to rate: ask a question first.")

    run(rated(tmp_path), body)


def test_the_base_models_answer_is_not_rated(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.press("v")
        await asked(bench)
        await bench.press("-")
        await told(bench, "The last answer is the base model's")
        assert DOWN not in bench.text

    run(rated(tmp_path), body, (160, 48))


def test_an_unfinished_answer_is_not_rated_nor_one_that_was_cut_short(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        bench.script.answer_hold = 4
        await bench.press("c")
        await bench.type("Again?")
        await bench.until(lambda: len(bench.said) == 4 and "says" in bench.said[-1])
        bench.panes.chat.log_of_turns.focus()
        await bench.press("+")
        await told(bench, "The last answer is not finished")
        await bench.press("escape")
        bench.script.go.set()
        await bench.sees("cancelled after")
        await bench.press("+")
        await told(bench, "The last answer was cut short")
        assert UP not in bench.text

    run(rated(tmp_path), body, (160, 48))


def test_after_a_knock_out_the_answer_has_to_be_asked_for_again(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.press("e")
        await bench.sees("No single document changes this answer.")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)
        await bench.press("+")
        await told(bench, "The model has answered something else since")
        assert UP not in bench.text

    run(rated(tmp_path), body, (160, 48))


def test_of_a_comparison_the_learned_answer_is_rated(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.press("n", *"How", "escape", "b")
        await bench.until(lambda: len(bench.said) == 2)
        await bench.until(lambda: not bench.screen._known.conversation.waiting)
        await bench.press("+")
        await bench.sees(UP)
        base, learned = bench.panes.chat.log_of_turns.turns
        assert not base.query_one(".said-rating").display
        assert learned.query_one(".said-rating").display

    run(rated(tmp_path), body)


def test_what_the_engine_refuses_is_said_in_its_sentence(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench, USED_NOTHING)
        await bench.press("+")
        await told(bench, "The last answer used nothing that is stored.")
        assert UP not in bench.text

    run(rated(tmp_path, retrieval=NOTHING, citations=()), body)


def test_every_key_fits_below_a_rated_answer_on_a_small_terminal(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.press("+")
        await bench.until(lambda: bench.screen.offers("undo_rating"))
        await bench.until(lambda: "+-u" in bench.text.splitlines()[-1])
        assert bench.text.splitlines()[-1].lstrip().startswith("F1 help")

    run(rated(tmp_path), body, SMALL)


def in_line(bench: Bench) -> int:
    return notes(bench).count("It is in line.")


def test_a_rating_behind_other_work_says_so_and_a_second_press_adds_none(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        bench.script.learn_hold = 4
        await bench.choose("aviary.md")
        await bench.press("4", "l")
        await bench.until(lambda: bench.screen._known.work == "learning")
        await bench.press("+")
        await bench.until(lambda: in_line(bench) == 1)
        await bench.press("+", "-")
        await told(bench, "The rating of the last answer is in line already.")
        assert in_line(bench) == 1
        bench.script.go.set()
        await bench.sees(UP)
        await bench.until(lambda: bench.screen._known.work is None)
        assert severities(bench) == {"information"}

    run(rated(tmp_path), body, (160, 48))


def test_undoing_in_line_takes_one_rating_back_however_often_it_is_pressed(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        for question in ("How often?", "How high?"):
            await asked(bench, question)
            await bench.press("+")
            await bench.until(lambda: bench.text.count(UP) == len(bench.said) // 2)
        bench.script.learn_hold = 4
        await bench.choose("aviary.md")
        await bench.press("4", "l")
        await bench.until(lambda: bench.screen._known.work == "learning")
        await bench.press("2")
        await bench.until(lambda: bench.screen._typing)
        await bench.press("escape")  # in the tree, u shows the folder above
        await bench.press("u", "u")
        await told(bench, "Taking the last rating back is in line already.")
        assert in_line(bench) == 1
        bench.script.go.set()
        await told(bench, 'Took back "up" for "How high?"')
        await bench.until(lambda: bench.screen._known.work is None)
        assert bench.text.count(UP) == 1
        await bench.press("u")
        await told(bench, 'Took back "up" for "How often?"')

    run(rated(tmp_path), body, (160, 60))


def test_a_rating_that_failed_can_be_given_again(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench, USED_NOTHING)
        await bench.press("+")
        await told(bench, "The last answer used nothing that is stored.")
        refused = notes(bench).count("used nothing")
        await bench.press("-")
        await bench.until(lambda: notes(bench).count("used nothing") == refused + 1)
        assert "in line already" not in notes(bench)

    run(rated(tmp_path), body)


def severities(bench: Bench) -> set[str]:
    return {note.severity for note in bench.app._notifications}


def test_typing_a_plus_into_the_question_rates_nothing(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.press("c", "+", "-", "u")
        await bench.until(lambda: bench.panes.chat.question == "+-u")
        assert UP not in bench.text
        assert "rate" not in bench.text.splitlines()[-1]
        await bench.screen.run_command("rate('up')")
        await bench.sees(UP)

    run(rated(tmp_path), body)


def test_the_keys_and_commands_are_there_only_where_ratings_are_taken(tmp_path: Path) -> None:
    async def with_ratings(bench: Bench) -> None:
        await asked(bench)
        assert bench.screen.offers("rate('up')")
        commands = {command.title for command in bench.app.get_system_commands(bench.screen)}
        assert {"Rate up", "Rate down"} <= commands
        assert "Undo rating" not in commands
        await bench.press("+")
        await bench.sees(UP)
        commands = {command.title for command in bench.app.get_system_commands(bench.screen)}
        assert "Undo rating" in commands

    async def without(bench: Bench) -> None:
        await asked(bench)
        assert not bench.screen.offers("rate('up')")
        await bench.press("+", "-", "u")
        assert "rate" not in bench.text.splitlines()[-1]

    run(rated(tmp_path / "rated"), with_ratings)
    run(make_bench(tmp_path / "plain"), without)


@by_size
def test_the_sheet_shows_the_answer_with_what_each_passage_lifted(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.press("P")
        await bench.sees("4 tokens lifted, underlined; by the marked passage, also")
        await bench.sees("1    0.812  [1]       lifts 3")
        assert "2    0.410  [2]       lifts 1" in bench.text
        await bench.sees("Lifted by it: harbour +3.50, light +2.25, turns +0.04")
        assert styled(bench, "reverse") == "harbour light turns"
        assert styled(bench, "italic") == styled(bench, "strike") == "twice"
        assert "Moved by none of these: minute. +0.50 nats." in bench.text
        await bench.press("j")
        await bench.sees("Lowered by it: twice -0.75")
        assert styled(bench, "reverse") == "harbour"
        assert styled(bench, "underline") == "harbour light turns minute."
        await bench.press("j")
        await bench.until(lambda: not styled(bench, "reverse"))

    run(rated(tmp_path), body, size)


def styled(bench: Bench, style: str) -> str:
    """The words of the answer that are drawn in ``style``."""
    answer = bench.app.screen.query_one("#lifted-answer").region
    lines = bench.app.screen._compositor.render_strips()[answer.y : answer.bottom]
    found = [s.text for line in lines for s in line if s.style and getattr(s.style, style)]
    return " ".join(" ".join(found).split())
