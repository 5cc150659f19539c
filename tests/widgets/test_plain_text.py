from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from widgets.plain_text import fitted, one_line, padded, plain


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("red \x1b[31mtext\x1b[0m", "red text"),
        ("title \x1b]0;owned\x07end", "title end"),
        ("bell\x07 and null\x00", "bell and null"),
        ("turned \u202eback", "turned back"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\tb", "a   b"),
        ("[bold]stays[/bold]", "[bold]stays[/bold]"),
        ("half \ud800 pair", "half  pair"),
    ],
)
def test_control_characters_are_removed_and_markup_is_only_text(raw: str, shown: str) -> None:
    assert plain(raw) == shown


@given(st.text(alphabet=st.characters()))
def test_plain_text_can_always_be_written(text: str) -> None:
    cleaned = plain(text)
    cleaned.encode("utf-8")
    assert not any(ord(c) < 32 and c != "\n" for c in cleaned)


@given(st.text(max_size=40), st.integers(1, 30))
def test_fitted_text_never_exceeds_its_width(text: str, width: int) -> None:
    line = one_line(text)
    assert cell_len(fitted(line, width)) <= width
    assert cell_len(padded(line, width)) == width


def test_a_cut_is_shown() -> None:
    assert fitted("a long title", 7) == "a long…"
    assert fitted("short", 7) == "short"
    assert fitted("two", 0) == ""
