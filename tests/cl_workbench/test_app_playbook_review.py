"""Deciding on what waits, at rest and in the middle of a learning."""

from __future__ import annotations

from pathlib import Path

from scripted_app import SMALL, WIDE, Bench, make_bench, run
from scripted_engine import Script
from scripted_playbook import ORDER_RULE, URL_RULE, GrownEngine, WaitingEngine
from test_app_playbook import history, on_playbook, opened, texts

from cl_workbench.screens.playbook import PlaybookScreen
from engines.ace.review import pending


def waits(bench: Bench) -> int:
    return len(pending(history(bench)))


def test_each_operation_says_what_would_change_and_why_it_waits(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("2")
        await bench.sees("2 flagged")
        text = bench.text
        assert "ADD strategies" in text
        assert "! it holds an address" in text
        assert f"+ {URL_RULE}" in text
        assert "- The harbour light turns twice a minute" in text
        assert "+ The harbour light turns three times a minute" in text
        assert "MERGE mistake-00006, mistake-00007" in text
        assert "helpful 0 → 1" in text
        assert "REMOVE fact-00004" in text
        assert "from curator, 2025-01-01 09:07" in text
        await bench.press("G")
        await bench.sees(f"+ {ORDER_RULE}")
        assert "! it tries to instruct the roles" in bench.text

    on_playbook(tmp_path, body, WaitingEngine)


def test_accepting_and_rejecting_one_after_the_other(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("2", "n")
        await bench.until(lambda: waits(bench) == 5)
        assert URL_RULE not in texts(bench)
        await bench.press("y")
        await bench.until(lambda: waits(bench) == 4)
        assert "three times" in texts(bench)[0]
        await bench.press("u")
        await bench.until(lambda: waits(bench) == 5)
        await bench.sees("UPDATE strategy-00001")

    on_playbook(tmp_path, body, WaitingEngine)


def test_keys_pressed_quickly_decide_on_one_operation_each(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("2")
        await bench.sees("2 flagged")
        await bench.burst("n", "n", "n")
        await bench.until(lambda: waits(bench) == 3)
        await bench.sees("TAG strategy-00003")

    on_playbook(tmp_path, body, WaitingEngine)


def test_an_operation_is_edited_and_accepted(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("2", "e")
        await bench.sees("Edit, and accept with enter")
        await bench.press("ctrl+u")
        await bench.type("Send nothing anywhere.")
        await bench.until(lambda: "Send nothing anywhere." in texts(bench))
        assert waits(bench) == 5
        await bench.press("j", "j", "e")
        await bench.sees("There is no text in it to edit")

    on_playbook(tmp_path, body, WaitingEngine)


def test_all_are_decided_on_after_asking(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("2", "Y")
        await bench.sees("Accept all 6?")
        assert "2 of them are flagged" in bench.text
        await bench.press("escape", "N")
        await bench.sees("Reject all 6?")
        await bench.press("y")
        await bench.sees("Nothing waits for review.")
        assert len(texts(bench)) == 7

    on_playbook(tmp_path, body, WaitingEngine, SMALL)


def test_what_cannot_be_applied_goes_on_waiting(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("j", "j", "j", "d", "y")
        await bench.sees("fact-00004: removed")
        await bench.press("2", "G", "k")
        await bench.sees("no bullet has that id any more")
        await bench.press("y")
        await bench.sees("It can't be applied: no bullet has that id.")
        assert waits(bench) == 6
        await bench.press("n")
        await bench.until(lambda: waits(bench) == 5)

    on_playbook(tmp_path, body, WaitingEngine)


def test_decisions_during_a_learning_come_before_its_next_question(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.until(lambda: bench.screen._known.learns)
        screen = await opened_while_learning(bench)
        await bench.sees("1 waiting")
        await bench.press("a")
        await bench.sees("A document is being learned: wait until that is over")
        await bench.press("w")
        await bench.press("2")
        await bench.sees("it takes effect before the next question")
        await bench.press("y")
        await bench.sees("accepted, before the next question")
        assert waits(bench) == 1
        await bench.press("y", "n", "u")
        await bench.sees("A document is being learned: wait until that is over")
        bench.script.go.set()
        await bench.until(lambda: not bench.screen._known.learns)
        await bench.until(lambda: waits(bench) == 2)
        assert "Count the keepers of The harbour light." in texts(bench)
        assert bench.app.screen is screen
        await bench.sees("Read the history of The harbour light.")
        await bench.until(lambda: "A document is being learned" not in bench.text)

    run(make_bench(tmp_path, Script(learn_hold=2), engine=GrownEngine), body, WIDE)


async def opened_while_learning(bench: Bench) -> PlaybookScreen:
    await bench.press("B")
    await bench.until(lambda: isinstance(bench.app.screen, PlaybookScreen))
    screen = bench.app.screen
    assert isinstance(screen, PlaybookScreen)
    return screen


def test_a_cancelled_learning_takes_what_it_made_back(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.choose("harbour.md")
        await bench.press("l")
        await opened_while_learning(bench)
        await bench.sees("8 bullets")
        await bench.press("escape", "escape")
        bench.script.go.set()
        await bench.sees("ready")
        await opened(bench)
        await bench.sees("7 bullets")
        await bench.press("2")
        await bench.sees("Nothing waits for review.")

    run(make_bench(tmp_path, Script(learn_hold=2), engine=GrownEngine), body, WIDE)
