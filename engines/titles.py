"""A title for a text that came without one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

TITLE_LENGTH = 80

# A heading this far down (in characters) names a part of the text, not the whole.
_SEARCHED = 50_000
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*?)[ \t#]*$")
_UNDERLINE = re.compile(r" {0,3}=+[ \t]*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")


def title_of(text: str) -> str:
    """The first Markdown heading, else the first line with a word in it."""
    lines = text[:_SEARCHED].split("\n")
    heading = next((title for title in map(one_line, _headings(lines)) if title), None)
    return heading or next(
        (one_line(line) for line in lines if any(map(str.isalnum, line))), "untitled"
    )


def one_line(text: str) -> str:
    """``text`` as a title: without Markdown's marks, on one line, at most 80 characters."""
    plain = _LINK.sub(r"\1", text[:_SEARCHED]).replace("**", "").replace("`", "")
    plain = " ".join("".join(c if c.isprintable() else " " for c in plain).split())
    return plain if len(plain) <= TITLE_LENGTH else plain[: TITLE_LENGTH - 1].rstrip() + "…"


def _headings(lines: Sequence[str]) -> Iterator[str]:
    fenced = False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and (heading := _HEADING.match(line)):
            yield heading[1]
        elif not fenced and line.strip() and _UNDERLINE.match(following):
            yield line
