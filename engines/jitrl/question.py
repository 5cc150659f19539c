"""What to look for: the last question, with the one before it where it says too little."""

from __future__ import annotations

from collections.abc import Sequence

from engines.protocol import Turn
from engines.words import informative, words

_FEW_WORDS = 3
_FEW_CHARACTERS = 24


def query_of(turns: Sequence[Turn]) -> str:
    """The last turn; a very short follow-up ("and when?") joins the user turn before it.

    It is empty where the last turn is not a user's.
    """
    asked = [turn.content.strip() for turn in turns if turn.role == "user"]
    if not asked or turns[-1].role != "user":
        return ""
    if len(asked) > 1 and _says_little(asked[-1]):
        return f"{asked[-2]} {asked[-1]}".strip()
    return asked[-1]


def has_words(text: str) -> bool:
    """Whether ``text`` holds a letter or a figure."""
    return any(letter.isalnum() for letter in text)


def _says_little(text: str) -> bool:
    if len(text) >= _FEW_CHARACTERS:
        return not informative(text)
    return len(words(text)) <= _FEW_WORDS
