"""Blocks of operations that wait: what they say, and how the cursor goes through them."""

from __future__ import annotations

from dataclasses import replace

from textual.pilot import Pilot

from tests.widgets.driving import drive, screen_text, until
from widgets.playbook_waiting import MOST, WaitingList, WaitingRow, waiting_text

ROWS = tuple(
    WaitingRow((number, 0), "ADD", "strategies", after=f"Rule {number}.") for number in range(4)
)


def test_a_block_shows_words_that_change_and_what_is_dangerous() -> None:
    row = WaitingRow(
        (1, 0), "UPDATE", "other-00001", ("Turn [b]once.",), "Turn twice.", "", "It does.",
        "curator", "", ("it holds an address",), "accepted, before the next question",
    )  # fmt: skip
    assert waiting_text(row).plain.splitlines() == [
        "UPDATE other-00001   accepted, before the next question",
        "! it holds an address",
        "- Turn [b]once.",
        "+ Turn twice.",
        "why  It does.",
        "from curator",
    ]
    merged = replace(row, kind="MERGE", before=("One.", "Two."), after="Both.", warnings=())
    assert waiting_text(merged).plain.splitlines()[1:4] == ["- One.", "- Two.", "+ Both."]


def test_the_cursor_keeps_its_block_while_others_come_and_go() -> None:
    shown = WaitingList()

    async def body(pilot: Pilot[None]) -> None:
        shown.focus()
        shown.show_rows(ROWS[:3])
        await pilot.pause()
        await pilot.press("j")
        assert shown.marked == ROWS[1]
        shown.show_rows(ROWS[1:])
        await pilot.pause()
        assert shown.marked == ROWS[1]
        shown.show_rows(ROWS[2:])
        assert shown.marked == ROWS[2]
        shown.show_rows(ROWS)  # an undo brought the first ones back
        await until(pilot, lambda: "Rule 0." in screen_text(pilot.app))
        assert shown.marked == ROWS[2]
        text = screen_text(pilot.app)
        assert [text.count(f"Rule {n}.") for n in range(4)] == [1, 1, 1, 1]
        shown.show_rows([])
        assert shown.marked is None
        await pilot.press("j", "G")

    drive(shown, body)


def test_going_on_leaves_out_what_is_decided() -> None:
    shown = WaitingList()

    async def body(pilot: Pilot[None]) -> None:
        done = [replace(row, decided="accepted…") for row in ROWS]
        shown.show_rows([done[0], done[1], ROWS[2], done[3]])
        await pilot.pause()
        shown.go_on()
        assert shown.marked == ROWS[2]
        shown.show_rows(done)
        shown.go_on()
        assert shown.marked == done[2]

    drive(shown, body)


def test_a_long_block_is_read_to_its_end_before_the_next() -> None:
    shown = WaitingList()
    tall = replace(ROWS[0], after="many words " * 60)

    async def body(pilot: Pilot[None]) -> None:
        shown.focus()
        shown.show_rows([tall, ROWS[1]])
        await until(pilot, lambda: shown.max_scroll_y > 0)
        await pilot.press("j")
        assert shown.marked == tall
        assert shown.scroll_offset.y > 0
        await pilot.press(*"jjjjjjjjj")
        await pilot.pause()
        assert shown.marked == ROWS[1]
        await pilot.press("k")
        await pilot.pause()
        assert shown.marked == tall

    drive(shown, body, (40, 10))


def test_of_very_many_only_the_first_are_drawn() -> None:
    shown = WaitingList()
    rows = [replace(ROWS[0], place=(number, 0)) for number in range(3 * MOST)]

    async def body(pilot: Pilot[None]) -> None:
        shown.focus()
        shown.show_rows(rows)
        await pilot.pause()
        assert len(shown.children) == MOST
        shown.show_rows(rows[10:])
        await until(pilot, lambda: len(shown.children) == MOST)
        await pilot.press("end")
        assert shown.marked == rows[MOST + 9]

    drive(shown, body)
