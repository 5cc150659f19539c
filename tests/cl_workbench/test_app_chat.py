"""Asking, the voice, and the dial."""

from __future__ import annotations

from pathlib import Path

from scripted_app import Bench, make_bench, run
from scripted_engine import Script
from textual.widgets import Input


def test_letters_are_typed_into_a_line_and_are_no_keys_there(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.press("c")
        await bench.until(lambda: isinstance(bench.app.focused, Input))
        await bench.press(*"lbxsoRp12[]/?")
        assert bench.panes.chat.question == "lbxsoRp12[]/?"
        assert bench.ledger == []
        assert bench.app.screen is bench.screen

    run(bench, body)


def test_the_dial_adds_up_and_stays_within_its_range(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.sees("α 0.95")
        await bench.press(*["left_square_bracket"] * 3)
        await bench.sees("α 0.80")
        await bench.press(*["right_square_bracket"] * 9)
        await bench.sees("α 1.00")

    run(bench, body)


def test_no_press_of_the_dial_is_lost_while_an_answer_streams(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(answer_hold=2, alpha_hold=2))
    script = bench.script

    async def body(bench: Bench) -> None:
        await bench.press("c")
        await bench.type("How many?")
        await bench.sees("answering")
        bench.app.set_focus(bench.panes.chat.log_of_turns)
        await bench.press(*["left_square_bracket"] * 2)
        await bench.sees("α 0.85")
        script.go.set()
        await bench.until(lambda: script.alphas == [0.9, 0.85])
        bench.screen.draw_events()  # the engine has followed the first press, not the second
        await bench.press("left_square_bracket")
        script.alpha_go.set()
        await bench.until(lambda: len(script.alphas) == 3)
        assert script.alphas == [0.9, 0.85, 0.8]
        await bench.sees("α 0.80")

    run(bench, body)


def test_the_voice_can_be_switched(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.learn("aviary.md")
        await bench.press("2", "escape", "v")
        await bench.sees("answers as the base model")
        await bench.press("c")
        await bench.type("How many?")
        await bench.until(lambda: bench.said[-1:] == [bench.script.base_answer])
        await bench.until(lambda: not bench.screen._known.conversation.waiting)
        await bench.press("escape", "n")
        await bench.until(lambda: bench.said == [])

    run(bench, body)


def test_an_answer_can_be_stopped_while_typing(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(answer_hold=3))

    async def body(bench: Bench) -> None:
        await bench.press("c")
        await bench.type("How many?")
        await bench.sees("answering")
        await bench.until(lambda: bench.said[-1].startswith("I do not"))
        await bench.press("escape")
        bench.script.go.set()
        await bench.sees("cancelled after")

    run(bench, body)
