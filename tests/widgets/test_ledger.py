from __future__ import annotations

from dataclasses import replace

from driving import Body, drive, screen_text
from textual.pilot import Pilot

from widgets.ledger import Ledger
from widgets.ledger_lines import LedgerEntry


def entry(number: int, rise: float = 0.001) -> LedgerEntry:
    return LedgerEntry(
        f"id{number}", f"Document {number}", 884, 3.4, 1.2, 3.0, 3.0 * (1 + rise), 0.01
    )


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


def test_marks_tell_size_answers_overlaps_and_what_is_muted() -> None:
    ledger = Ledger()
    full = replace(
        entry(1),
        size_bytes=10_612_345,
        answers_kept=11 / 12,
        answers_probed=12,
        overlaps=(("Mill", 0.04), ("Harbour [b]", 0.091)),
        muted=True,
    )

    async def body(pilot: Pilot[None]) -> None:
        ledger.show_entries([full])
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "muted  10.6 MB" in text
        assert "11 of 12 kept" in text
        assert "overlap Harbour [b] 9%  Mill 4%" in text

    drive(ledger, body, (80, 10))
    drive(Ledger(), body_of(full), (28, 12))


def body_of(full: LedgerEntry) -> Body:
    async def body(pilot: Pilot[None]) -> None:
        pilot.app.query_one(Ledger).show_entries([full])
        await pilot.pause()
        text = screen_text(pilot.app)
        for part in ("muted  10.6 MB", "3.40 → 1.20", "+0.1% ✓", "11 of 12 kept", "9%"):
            assert part in text, part

    return body


def test_the_marked_document_is_muted_and_moved_at_once_and_asked_for() -> None:
    ledger = Ledger()
    ledger.keeps_apart = True

    async def body(pilot: Pilot[None]) -> None:
        ledger.focus()
        ledger.show_entries([entry(1), entry(2), entry(3)])
        await pilot.press("M")
        assert [e.muted for e in ledger.entries] == [False, False, True]
        await pilot.press("space")
        assert not any(e.muted for e in ledger.entries)
        await pilot.press("J", "K", "K", "K")
        assert [e.id for e in ledger.entries] == ["id3", "id1", "id2"]
        assert ledger.highlighted_entry == entry(3)
        await pilot.press("J")

    asked = [
        (m.document_id, m.muted if isinstance(m, Ledger.Mute) else m.position)
        for m in drive(ledger, body)
        if isinstance(m, Ledger.Mute | Ledger.Move)
    ]
    assert asked == [("id3", True), ("id3", False), ("id3", 1), ("id3", 0), ("id3", 1)]


def test_an_engine_that_keeps_nothing_apart_has_no_such_keys() -> None:
    ledger = Ledger()

    async def body(pilot: Pilot[None]) -> None:
        ledger.focus()
        ledger.show_entries([entry(1), entry(2)])
        await pilot.press("M", "K")
        assert ledger.entries == (entry(1), entry(2))

    assert not [m for m in drive(ledger, body) if isinstance(m, Ledger.Mute | Ledger.Move)]


def test_the_cursor_stays_with_its_document() -> None:
    ledger = Ledger()

    async def body(pilot: Pilot[None]) -> None:
        ledger.show_entries([entry(1), entry(2), entry(3)])
        ledger.highlighted = 0
        ledger.show_entries([entry(3), entry(1), entry(2)])
        assert ledger.highlighted_entry == entry(1)
        ledger.show_entries([entry(3), entry(2)])
        assert ledger.highlighted_entry == entry(2)

    drive(ledger, body)
