from __future__ import annotations

from driving import drive, screen_text, until
from textual.pilot import Pilot

from widgets.reader import MAX_MARKDOWN, Preview, Reader


def test_markdown_is_drawn_and_plain_text_stays_as_it_is() -> None:
    reader = Reader("nothing chosen")

    async def body(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "nothing chosen" in screen_text(pilot.app))
        reader.preview = Preview("a.md", "# Heading\n\n- one\n", "20 bytes.", "markdown")
        await until(pilot, lambda: "• one" in screen_text(pilot.app))
        assert "# Heading" not in screen_text(pilot.app)
        reader.preview = Preview("a.txt", "# Heading [b]x[/b]\x1b[2J\x07", "9 bytes.")
        await until(pilot, lambda: "# Heading [b]x[/b]" in screen_text(pilot.app))
        assert "9 bytes." in screen_text(pilot.app)

    drive(reader, body)


def test_long_markdown_is_shown_as_plain_text_and_says_so() -> None:
    reader = Reader("nothing chosen")

    async def body(pilot: Pilot[None]) -> None:
        reader.preview = Preview("a.md", "# H\n" * MAX_MARKDOWN, "", "markdown")
        await until(pilot, lambda: "shown as plain text" in screen_text(pilot.app))
        assert "# H" in screen_text(pilot.app)

    drive(reader, body)
