"""Where the sentences of a text begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator

# A full stop ends no sentence after a single capital ("J. Smith") or a usual short form, nor
# before a small letter.  A blank line and the beginning of a list's next item end one as well.
_END = re.compile(
    r"(?:(?<=[.!?…؟।])|(?<=[.!?…؟।][\"'”’)\]]))"
    r"(?<!\b[A-Z]\.)(?<!\b(?:Mr|Dr|St|vs|No|Lt)\.)(?<!\b(?:Mrs|Rev|Gen|Col|e\.g|i\.e)\.)"
    r"(?<!\bProf\.)\s++(?![a-z])|(?<=[。！？])(?![。！？」』”’）])"
    r"|(?<=[。！？][」』”’）])\s++"
    r"|\n[^\S\n]*+\n\s*+|\n(?=[^\S\n]*+(?:[-*+•|]|\d{1,3}[.)])\s)"
)


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence in ``text[start:end]``, in order, as they are asked for.

    None begins or ends with white space, and none is empty.
    """
    end = len(text) if end is None else end
    for mark in _END.finditer(text, start, end):
        yield from stripped(text, start, mark.start())
        start = mark.end()
    yield from stripped(text, start, end)


def stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The span without white space at its ends; none if nothing is left."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end
