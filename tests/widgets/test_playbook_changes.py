"""Revisions as lines, and what lies between two of them."""

from __future__ import annotations

from dataclasses import replace

from textual.pilot import Pilot

from tests.widgets.driving import drive, screen_text
from widgets.playbook_changes import (
    ChangeRow,
    OutcomeRow,
    RevisionFacts,
    RevisionList,
    RevisionRow,
    revision_detail,
    revision_heading,
    revision_line,
)

ROW = RevisionRow(7, "2025-01-01 09:00", "curator", "a [b]note", 0.5, 2, 1, 3, 1, 2)


def test_a_revision_tells_what_came_changed_and_went() -> None:
    line = revision_line(ROW, 120, False, 8).plain
    assert line == (
        "    7  2025-01-01 09:00  curator    +2 ~1 -3        50%  a [b]note; 1 held, 2 refused"
    )
    assert revision_heading(120, 8).index("SCORE") == line.index("50%") - 2
    assert revision_line(replace(ROW, score=None, note=""), 60, True, 8).plain == (
        "●   7  curator    +2 ~1 -3          –  1 held, 2 refused"
    )


def test_the_newest_is_on_top_and_the_cursor_goes_with_it() -> None:
    shown = RevisionList()

    def row(number: int) -> RevisionRow:
        return replace(ROW, number=number)

    async def body(pilot: Pilot[None]) -> None:
        shown.focus()
        shown.show_revisions(3, row)
        await pilot.pause()
        assert shown.marked == 2
        shown.show_revisions(5, row)
        await pilot.pause()
        assert shown.marked == 4
        await pilot.press("j", "j")
        assert shown.marked == 2
        shown.show_revisions(9, row)
        await pilot.pause()
        assert shown.marked == 2
        shown.show_revisions(2, row)  # a learning was cancelled
        await pilot.pause()
        assert shown.marked == 1
        assert "1  2025-01-01" in screen_text(pilot.app).splitlines()[0]

    drive(shown, body)


def test_a_difference_has_plain_marks() -> None:
    facts = RevisionFacts(
        "Revision 7: curator",
        ("2025-01-01 09:00",),
        (
            ChangeRow("added", "other-00009", "other", "", "Read\x07 on."),
            ChangeRow("changed", "other-00001", "other", "One.", "One.", 2, -1),
            ChangeRow("changed", "other-00002", "other", "One way.", "Two ways."),
            ChangeRow("removed", "other-00003", "other", "Gone.", ""),
        ),
        (OutcomeRow("refused", "ADD other: Read on.", "other-00009 says the same"),) * 61,
        5,
    )
    lines = revision_detail(facts).plain.splitlines()
    assert lines[3:11] == [
        "+ other-00009   other",
        "+ Read on.",
        "~ other-00001   helpful +2  harmful -1",
        "~ other-00002   ",
        "- One way.",
        "+ Two ways.",
        "- other-00003   other",
        "- Gone.",
    ]
    assert "and 5 more" in lines
    assert "refused: other-00009 says the same" in lines
    assert lines[-1] == "and 1 more"
    assert "No bullet differs." in revision_detail(replace(facts, changes=())).plain
