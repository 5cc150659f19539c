"""Making text that isn't ours safe to draw: no control characters, no markup, a known width."""

from __future__ import annotations

import re

from rich.cells import cell_len, set_cell_size

_ESCAPE_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])"
)
# C0 and C1 without tab and newline; the marks that turn the writing direction; lone surrogates.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
TAB_WIDTH = 4


def plain(text: str) -> str:
    """``text`` without control characters and terminal sequences; line breaks stay.

    A tab becomes spaces, so a width that was counted is the width that is drawn.
    """
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", _ESCAPE_SEQUENCE.sub("", unified)).expandtabs(TAB_WIDTH)


def one_line(text: str) -> str:
    """``text`` on one line, runs of white space as one space, safe to draw."""
    return " ".join(plain(text).split())


def fitted(text: str, width: int) -> str:
    """``text`` cut to ``width`` terminal cells, the cut shown by an ellipsis."""
    if cell_len(text) <= width:
        return text
    if width <= 1:
        return "…"[: max(width, 0)]
    return set_cell_size(text, width - 1).rstrip() + "…"


def padded(text: str, width: int) -> str:
    """``text`` cut or filled with spaces to exactly ``width`` terminal cells."""
    return set_cell_size(fitted(text, width), max(width, 0))
