from __future__ import annotations

from driving import drive, screen_text
from textual.pilot import Pilot

from widgets.ledger import Ledger, LedgerEntry


def entry(number: int, rise: float = 0.001) -> LedgerEntry:
    return LedgerEntry(f"id{number}", f"Document {number}", 884, 3.4, 1.2, 3.0, 3.0 * (1 + rise))


def test_an_entry_tells_what_learning_brought_and_cost() -> None:
    ledger = Ledger()

    async def body(pilot: Pilot[None]) -> None:
        assert "Nothing learned yet" in screen_text(pilot.app)
        ledger.show_entries([entry(1), entry(2, rise=0.04)])
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "1 Document 1" in text
        assert "3.40 → 1.20" in text
        assert "884 tok" in text
        assert "+0.1% ✓" in text
        assert "+4.0% !" in text

    drive(ledger, body)


def test_the_cursor_goes_to_what_was_just_learned_and_stays_valid() -> None:
    ledger = Ledger()

    async def body(pilot: Pilot[None]) -> None:
        ledger.focus()
        ledger.show_entries([entry(1)])
        ledger.show_entries([entry(1), entry(2), entry(3)])
        assert ledger.highlighted_entry == entry(3)
        await pilot.press("k")
        assert ledger.highlighted_entry == entry(2)
        ledger.show_entries([entry(1)])
        assert ledger.highlighted_entry == entry(1)
        ledger.show_entries([])
        assert ledger.highlighted_entry is None

    drive(ledger, body)


def test_a_title_is_only_text() -> None:
    ledger = Ledger()
    odd = LedgerEntry("x", "[red]a\x1b[2J[/red]", 1, 1.0, 1.0)

    async def body(pilot: Pilot[None]) -> None:
        ledger.show_entries([odd])
        await pilot.pause()
        assert "[red]a[/red]" in screen_text(pilot.app)

    drive(ledger, body)
