"""A list of lines: where the cursor may stand, and that only what is seen is drawn."""

from __future__ import annotations

from textual.content import Content
from textual.pilot import Pilot

from tests.widgets.driving import drive, screen_text
from widgets.playbook_lines import LineList, Lines


def lines(count: int, headings: frozenset[int] = frozenset()) -> Lines:
    return Lines(count, lambda index, width: Content(f" line {index} [b]x"), headings)


def test_the_cursor_leaves_out_headings() -> None:
    shown = LineList()

    async def body(pilot: Pilot[None]) -> None:
        shown.focus()
        shown.show_lines(lines(6, frozenset({0, 3})), 0)
        await pilot.pause()
        assert shown.cursor == 1
        await pilot.press("k")
        assert shown.cursor == 1
        await pilot.press("j", "j")
        assert shown.cursor == 4
        await pilot.press("up")
        assert shown.cursor == 2
        await pilot.press("end")
        assert shown.cursor == 5
        await pilot.press("g")
        assert shown.cursor == 1
        await pilot.click(shown, offset=(2, 3))
        assert shown.cursor == 1
        await pilot.click(shown, offset=(2, 4))
        assert shown.cursor == 4

    drive(shown, body)


def test_pages_go_through_a_long_list_of_which_only_the_seen_is_drawn() -> None:
    drawn: set[int] = set()

    def line(index: int, width: int) -> Content:
        drawn.add(index)
        return Content(f"line {index}")

    shown = LineList()

    async def body(pilot: Pilot[None]) -> None:
        shown.focus()
        shown.show_lines(Lines(5_000, line))
        await pilot.pause()
        await pilot.press("pagedown")
        assert shown.cursor == 23
        await pilot.press("G")
        await pilot.pause()
        assert "line 4999" in screen_text(pilot.app)
        await pilot.press("ctrl+b", "home")
        await pilot.pause()
        assert "line 0" in screen_text(pilot.app)

    drive(shown, body)
    assert len(drawn) < 200


def test_an_empty_list_says_why_and_a_shorter_one_keeps_the_cursor_within() -> None:
    shown = LineList("Nothing is here, which takes more words than there are cells in a line.")

    async def body(pilot: Pilot[None]) -> None:
        shown.focus()
        await pilot.press("j", "G", "pagedown")
        assert shown.cursor is None
        assert "Nothing is here, which" in screen_text(pilot.app)
        assert "cells in a line." in screen_text(pilot.app)
        shown.show_lines(lines(9), 8)
        await pilot.pause()
        assert shown.cursor == 8
        shown.show_lines(lines(3), shown.cursor)
        await pilot.pause()
        assert shown.cursor == 2
        assert "line 2 [b]x" in screen_text(pilot.app)
        shown.show_lines(lines(0))
        assert shown.cursor is None

    drive(shown, body, (30, 10))


def test_a_line_that_is_too_long_ends_in_an_ellipsis_beside_the_scroll_bar() -> None:
    shown = LineList()

    async def body(pilot: Pilot[None]) -> None:
        shown.show_lines(Lines(50, lambda index, width: Content("words and " * 9)))
        await pilot.pause()
        await pilot.pause()
        first = screen_text(pilot.app).splitlines()[0]
        assert first[28] == "…"

    drive(shown, body, (30, 10))
