"""Bullets as lines and in full."""

from __future__ import annotations

from dataclasses import replace

from textual.pilot import Pilot

from tests.widgets.driving import drive, screen_text
from widgets.playbook_bullets import (
    BulletColumns,
    BulletFacts,
    BulletList,
    BulletRow,
    Touch,
    bullet_detail,
)

ROWS = (
    BulletRow("strategy-00001", "strategies", "Count the\x1b[31m flashes [b]twice[/b].", 12, 0),
    BulletRow("strategy-00002", "strategies", "Write the unit.", 0, 3),
    BulletRow("other-00003", "other", "Read on.", 0, 0),
)


def test_grouped_bullets_stand_below_their_section_with_its_number() -> None:
    shown = BulletList()

    async def body(pilot: Pilot[None]) -> None:
        shown.show_bullets(ROWS, True, None, "")
        await pilot.pause()
        text = screen_text(pilot.app).splitlines()
        assert text[0].strip() == "strategies  2"
        assert "+12   -0  Count the flashes [b]twice[/b]." in text[1]
        assert text[3].strip() == "other  1"
        assert shown.marked == ROWS[0]

    drive(shown, body)


def test_in_another_order_a_wide_list_has_a_column_for_the_section() -> None:
    shown = BulletList()

    async def body(pilot: Pilot[None]) -> None:
        shown.show_bullets(ROWS, False, "other-00003", "")
        await pilot.pause()
        assert "strategies  Write the unit." in screen_text(pilot.app)
        assert "SECTION" in shown.columns.heading(120)
        assert "SECTION" not in shown.columns.heading(60)
        assert shown.marked == ROWS[2]

    drive(shown, body, (120, 10))


def test_the_cursor_stays_in_its_place_when_its_bullet_is_gone() -> None:
    shown = BulletList()

    async def body(pilot: Pilot[None]) -> None:
        shown.show_bullets(ROWS, False, "strategy-00002", "")
        await pilot.pause()
        shown.show_bullets((ROWS[0], ROWS[2]), False, "strategy-00002", "")
        await pilot.pause()
        assert shown.marked == ROWS[2]
        shown.show_bullets((), False, "other-00003", "None left.")
        await pilot.pause()
        assert shown.marked is None
        assert "None left." in screen_text(pilot.app)

    drive(shown, body)


def test_a_bullet_in_full_has_both_texts_of_a_change() -> None:
    touch = Touch(4, "2025-01-01 09:00", "person", "text changed", "Write it.", "Write the unit.")
    facts = BulletFacts(ROWS[1], "harbour, loop 2", "revision 1", "revision 4", (touch,))
    lines = bullet_detail(facts).plain.splitlines()
    assert lines[0] == "strategy-00002   strategies"
    assert "helpful 0   harmful 3" in lines
    assert "source   harbour, loop 2" in lines
    assert lines[-3:] == [
        "   4  2025-01-01 09:00  person: text changed",
        "- Write it.",
        "+ Write the unit.",
    ]
    hostile = replace(facts, row=ROWS[0], touches=())
    assert "Count the flashes [b]twice[/b]." in bullet_detail(hostile).plain.splitlines()


def test_columns_are_as_wide_as_the_largest_counter() -> None:
    many = replace(ROWS[0], helpful=1_234_567)
    assert "+1,234,567   -0  Count" in BulletColumns.of([many], False).line(many, 80).plain
    assert BulletColumns.of([], True).heading(80).startswith(" ID")
