"""The guard on screen, a pause and its keys, and the ledger's muting and moving."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_app import SMALL, WIDE, Bench, make_bench, run
from scripted_engine import Script


def paused_script() -> Script:
    return Script(pause_at=17, held_out_rise=0.02)


@pytest.mark.parametrize("size", [SMALL, WIDE])
def test_what_the_guard_saw_and_did_is_on_screen(tmp_path: Path, size: tuple[int, int]) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=14, guard_at=13, answers_lost=3))

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("batch 14/20")
        for words in (
            "+0.2% ✓", "budget 1%", "10 of 12 kept !", "budget 15% lost",
            "guard     a scripted step back to the best state, at half the rate",
            "rate 0.0005 → 0.00025", "objective mixed: a script has", "0.012 nats",
        ):  # fmt: skip
            assert words in bench.text, words

    run(bench, body, size)


@pytest.mark.parametrize("size", [SMALL, WIDE])
@pytest.mark.parametrize(
    ("key", "decision", "steps"), [("g", "continue", 20), ("w", "slower", 20), ("t", "stop", 17)]
)
def test_a_pause_is_decided_with_a_key(
    tmp_path: Path, size: tuple[int, int], key: str, decision: str, steps: int
) -> None:
    bench = make_bench(tmp_path, paused_script())

    async def body(bench: Bench) -> None:
        bells: list[int] = []
        bench.app.bell = lambda: bells.append(1)  # type: ignore[method-assign]
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("paused 85%")
        assert "Paused: held-out +1.7%, budget 1%" in bench.text
        await bench.press(key)
        await bench.sees("ready")
        assert bench.script.decisions == [decision]
        assert bench.ledger == ["The harbour light"]
        assert f"batch {steps}/20" in bench.text
        assert "Paused" not in bench.text
        assert bells == [1]

    run(bench, body, size)


def test_a_paused_learning_is_cancelled_with_escape(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, paused_script())

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("paused 85%")
        await bench.press("escape")
        await bench.sees("Cancelled The harbour light")
        assert "Paused" not in bench.text
        assert bench.ledger == []

    run(bench, body)


def test_a_paused_learning_does_not_keep_the_program_from_closing(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, paused_script())

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("paused 85%")
        await bench.press("ctrl+q")
        session = bench.app.session
        assert session is not None
        await bench.until(lambda: not session.alive)

    run(bench, body)
    assert bench.app.return_code == 0


def test_a_pause_on_another_pane_is_told_and_its_letters_can_be_typed(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=10, pause_at=17, held_out_rise=0.02))

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("batch 10/20")
        await bench.press("c")
        bench.script.go.set()
        await bench.sees("t keeps it so; 1 shows it.")
        await bench.press(*"gwt")
        assert bench.panes.chat.question == "gwt"
        assert bench.script.decisions == []
        await bench.press("escape", "t")
        await bench.until(lambda: bench.script.decisions == ["stop"])

    run(bench, body)


def test_a_key_that_moves_the_cursor_decides_no_pause(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, paused_script())

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("paused 85%")
        await bench.press("4")
        before = bench.tree.cursor_line
        await bench.press("k", "j", "k")
        await bench.until(lambda: bench.tree.cursor_line == before - 1)
        assert bench.script.decisions == []
        await bench.sees("paused 85%")

    run(bench, body)


def test_a_pause_under_another_screen_is_told(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=10, pause_at=17, held_out_rise=0.02))

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("batch 10/20")
        await bench.press("H")
        await bench.until(lambda: bench.app.screen is not bench.screen)
        bench.script.go.set()
        await bench.sees("Go back")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)
        await bench.press("t")
        await bench.until(lambda: bench.script.decisions == ["stop"])

    run(bench, body)


def test_the_keys_of_a_pause_mean_what_they_did_before_once_it_is_over(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        before = bench.tree.cursor_line
        await bench.press("k")
        await bench.until(lambda: bench.tree.cursor_line == before - 1)

    run(bench, body)


@pytest.mark.parametrize("size", [SMALL, WIDE])
def test_documents_are_muted_and_moved_in_the_ledger(tmp_path: Path, size: tuple[int, int]) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        for name in ("aviary.md", "harbour.md"):
            await bench.learn(name)
            await bench.press("4")
        await bench.press("5", "M")
        await bench.sees("2 learned, 1 muted")
        assert "muted  1.0 MB" in bench.text
        assert "overlap The aviary" in bench.text
        assert len(bench.screen._known.state.muted) == 1
        await bench.press("K")
        await bench.until(lambda: bench.ledger == ["The harbour light", "The aviary"])
        await bench.until(lambda: bench.screen._known.state.ledger[0].title == bench.ledger[0])
        await bench.press("2")
        await bench.sees("1 document learned   1 muted")
        await bench.press("escape", "5", "space")
        await bench.until(lambda: "muted" not in bench.text)
        await bench.press("f1")
        await bench.sees("Keys")
        await bench.press("escape", "x")
        await bench.sees("Forget The harbour light?")

    run(bench, body, size)


def test_with_everything_muted_the_base_model_answers(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.learn("aviary.md")
        await bench.press("5", "M")
        await bench.sees("1 learned, 1 muted")
        await bench.press("c")
        await bench.type("How many?")
        await bench.until(lambda: bench.said[-1:] == [bench.script.base_answer])

    run(bench, body)
