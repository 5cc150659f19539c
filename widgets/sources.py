"""What an answer rests on, in a line for each source below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from widgets.plain_text import fitted, one_line

MAX_SOURCES = 5
TITLE_WIDTH = 30  # in cells: on a narrow terminal the words must still be seen


@dataclass(frozen=True, slots=True)
class Source:
    """One cited passage: the [n] that it has in the answer, its title, and the words cited."""

    number: int | None
    title: str
    text: str


def source_lines(sources: Sequence[Source]) -> Content:
    """A line for each source; a person who wants more of them opens the passages."""
    lines = [_line(source) for source in sources[:MAX_SOURCES]]
    if len(sources) > MAX_SOURCES:
        more = f"… and {len(sources) - MAX_SOURCES} more"
        lines.append(Content.styled(more, "$foreground 60%"))
    return Content("\n").join(lines)


def _line(source: Source) -> Content:
    number = f"[{source.number}] " if source.number is not None else ""
    words = one_line(source.text)
    return Content.assemble(
        (number, "bold $accent"),
        (fitted(one_line(source.title), TITLE_WIDTH), "$success"),
        (f': "{words}"' if words else "", "$foreground 80%"),
    )
