"""Which words of an answer are marked as changed."""

from __future__ import annotations

from driving import drive, screen_text
from textual.pilot import Pilot

from widgets.answers_table import AnswerRow, AnswersTable
from widgets.word_changes import MAX_WORDS, changed_spans, changed_words, marked


def words(text: str, other: str) -> list[str]:
    return [text[start:end] for start, end in changed_spans(text, other)]


def test_only_words_that_the_other_lacks_there_are_changed() -> None:
    assert words("It turns twice a minute.", "It turns once a minute.") == ["twice"]
    assert words("It turns.", "It turns.") == []
    assert words("a  b\nc", "a b c") == []  # white space is no word
    assert words("new words", "") == ["new words"]
    assert words("", "gone") == []
    assert changed_words("It turns twice a minute.", "It never turns") == (3, 5)


def test_markup_in_an_answer_stays_text() -> None:
    content = marked("[red]a[/red] b", "[red]a[/red] c")
    assert content.plain == "[red]a[/red] b"
    assert [content.plain[span.start : span.end] for span in content.spans] == ["b"]


def test_very_long_answers_are_left_unmarked() -> None:
    assert changed_spans("a " * (MAX_WORDS + 1), "b") == []


def test_a_table_keeps_its_cursor_while_answers_grow() -> None:
    table = AnswersTable()

    async def body(pilot: Pilot[None]) -> None:
        table.focus()
        rows = [AnswerRow("α 1.00"), AnswerRow("[b]α 0.50[/b]")]
        table.show_rows(rows)
        await pilot.pause()
        assert screen_text(pilot.app).count("waiting") == 2
        await pilot.press("j")
        assert table.highlighted == 1
        rows[0] = AnswerRow("α 1.00", "2 tokens", "It\x1b[2J turns")
        table.show_rows(rows)
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "It turns" in text
        assert "2 tokens" in text
        assert "[b]α 0.50[/b]" in text
        assert table.highlighted == 1

    drive(table, body)
