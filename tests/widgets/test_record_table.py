"""Records in columns that fit the width there is."""

from __future__ import annotations

import pytest
from driving import drive, screen_text
from textual.pilot import Pilot

from widgets.record_table import Record, RecordColumn, RecordTable, fit_columns

COLUMNS = (
    RecordColumn("NAME", least=6),
    RecordColumn("SIZE", right=True),
    RecordColumn("MODEL", least=4, drop=1),
    RecordColumn("ENGINE", drop=2),
)
WIDTHS = (20, 6, 12, 6)


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (60, [20, 6, 12, 6]),  # 50 cells with the gaps: all of it fits
        (45, [15, 6, 12, 6]),  # the widest that may shrink
        (28, [6, 6, 4, 6]),
        (27, [9, 6, 8, 0]),  # one column less, and the others have its room
        (10, [6, 6, 0, 0]),  # what always stays may be wider than the room
    ],
)
def test_columns_shrink_before_they_are_left_out(room: int, expected: list[int]) -> None:
    widths = fit_columns(COLUMNS, WIDTHS, room)
    shown = [width for width in widths if width]
    if room >= 27:
        assert sum(shown) + 2 * (len(shown) - 1) <= room
    assert [bool(width) for width in widths] == [bool(width) for width in expected]
    assert widths[1] == 6


def test_rows_faults_and_the_cursor() -> None:
    table = RecordTable(COLUMNS, "Nothing yet: press s.")

    async def body(pilot: Pilot[None]) -> None:
        assert "Nothing yet: press s." in screen_text(pilot.app)
        assert table.cursor is None
        table.options.focus()
        rows = [
            Record(("[red]one[/red]\x1b[2J", "1 kB", "m", "ttt")),
            Record(("two", "2 kB", "", ""), fault="Two is damaged.", marked=True),
        ]
        table.show_records(rows, cursor=0)
        await pilot.pause()
        text = screen_text(pilot.app)
        for words in ("NAME", "[red]one[/red]", "● two", "Two is damaged."):
            assert words in text
        await pilot.press("j")
        assert table.cursor == 1
        table.show_records(rows[:1])
        assert table.cursor == 0
        await pilot.resize_terminal(30, 10)
        await pilot.pause()
        assert "ENGINE" not in screen_text(pilot.app)
        table.show_records([])
        assert table.cursor is None

    drive(table, body)
