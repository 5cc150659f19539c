"""The panes at every size, and what they show of a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_app import SMALL, WIDE, Bench, make_bench, run

from widgets.documents_pane import FilterInput


def test_a_big_file_is_previewed_in_part(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    (tmp_path / "documents" / "big.txt").write_text("word " * 100_000)

    async def body(bench: Bench) -> None:
        await bench.until(lambda: "big.txt" in bench.text)
        await bench.choose("big.txt")
        await bench.press("3")
        await bench.sees("500,000 bytes. The first 64 KB are shown.")

    run(bench, body)


def test_the_size_may_change_at_any_time(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.learn("aviary.md")
        for size in ((80, 24), (40, 10), (160, 48), (99, 40), (120, 29), (120, 36)):
            await bench.pilot.resize_terminal(*size)
            await bench.pilot.pause()
        await bench.until(lambda: not bench.panes.one_pane)
        assert bench.panes.visible_panes == ("documents", "learned", "learn")

    run(bench, body)


def test_small_terminals_show_one_pane_and_every_pane_can_be_reached(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        for key, pane in zip(
            "12345", ("learn", "chat", "read", "documents", "learned"), strict=True
        ):
            bench.app.set_focus(None)
            await bench.press(key)
            await bench.until(lambda pane=pane: bench.panes.visible_panes == (pane,))
        await bench.pilot.click("#tab-chat")
        await bench.until(lambda: bench.panes.visible_panes == ("chat",))

    run(bench, body, SMALL)


def test_the_smallest_screen_begins_with_the_documents(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        assert bench.panes.visible_panes == ("documents",)
        assert "harbour.md" in bench.text
        await bench.press("1")
        await bench.sees("Choose a file or a folder in Documents (4) and press l.")
        await bench.press("4")
        await bench.sees("harbour.md")

    run(bench, body, SMALL)


def test_a_size_that_changes_to_and_fro_leaves_the_pane_that_was_there(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        turned: list[str] = []

        def note(pane: str) -> None:
            turned.append(pane)

        bench.panes.watch(bench.panes, "pane", note, init=False)
        bench.panes.one_pane = False
        bench.panes.one_pane = True
        await bench.until(lambda: bench.text.count("harbour.md") == 1)
        await bench.pilot.pause()
        assert turned == []
        assert bench.panes.visible_panes == ("documents",)

    run(bench, body, SMALL)


@pytest.mark.parametrize("size", [SMALL, WIDE])
def test_keys_in_a_burst_go_to_the_pane_just_turned_to(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        for name in ("aviary.md", "harbour.md", "lighthouse.txt"):
            await bench.learn(name)
            await bench.press("4")
        await bench.choose("aviary.md")
        before = bench.tree.cursor_line
        assert bench.panes.ledger.highlighted == 2
        await bench.burst("5", "k", "k")
        await bench.until(lambda: bench.panes.ledger.highlighted == 0)
        assert bench.tree.cursor_line == before
        await bench.burst("4", "j")
        await bench.until(lambda: bench.tree.cursor_line == before + 1)
        assert bench.panes.ledger.highlighted == 0

    run(bench, body, size)


def test_what_is_typed_in_a_burst_after_c_goes_into_the_question(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.burst("c", *"plb14", "slash", "n")
        await bench.until(lambda: bench.panes.chat.question == "plb14/n")
        assert bench.app.screen is bench.screen
        await bench.press("escape")
        await bench.burst("slash", *"vy2")
        await bench.until(lambda: bench.panes.query_one(FilterInput).value == "vy2")

    run(bench, body)
