"""Text that isn't ours, made safe for a terminal, which obeys control characters."""

from __future__ import annotations

import re
import unicodedata

# JSON itself escapes C0.  These it would leave as they are: delete and C1, which terminals
# obey; line and paragraph separators; marks that turn the writing direction; and lone
# surrogates, which can't be encoded.
_RISKY = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SPACES = {ord("\n"): " ", ord("\t"): " "}
_JOINERS = "\u200c\u200d"  # parts of words in some scripts, and of emoji


def printable(text: str) -> str:
    """``text`` without control characters; line breaks and tabs stay.

    A byte of a file's name that is no UTF-8 is shown as the replacement character.
    """
    return "".join("\ufffd" if _is_surrogate(c) else c for c in text if _is_shown(c))


def one_line(text: str) -> str:
    """``text`` on one line, without control characters."""
    return printable(text).translate(_SPACES).strip()


def escaped(json_text: str) -> str:
    """JSON with everything escaped that a terminal would obey or could not be encoded."""
    return _RISKY.sub(lambda found: f"\\u{ord(found.group()):04x}", json_text)


def _is_shown(c: str) -> bool:
    if c.isprintable() or c in "\n\t" or c in _JOINERS or _is_surrogate(c):
        return True
    return unicodedata.category(c) == "Zs"


def _is_surrogate(c: str) -> bool:
    return "\ud800" <= c <= "\udfff"
