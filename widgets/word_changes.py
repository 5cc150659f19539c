"""Which words of one text are not in another at their place, for drawing the difference."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from textual.content import Content

MAX_WORDS = 2_000
"""Longer texts are drawn unmarked: comparing them would hold up the screen."""

_WORDS = re.compile(r"\S+")


def changed_spans(text: str, other: str) -> list[tuple[int, int]]:
    """Start and end of each run of words of ``text`` that ``other`` doesn't have there."""
    words = list(_WORDS.finditer(text))
    theirs = _WORDS.findall(other)
    if len(words) > MAX_WORDS or len(theirs) > MAX_WORDS:
        return []
    matcher = SequenceMatcher(None, [word.group() for word in words], theirs, autojunk=False)
    return [
        (words[start].start(), words[end - 1].end())
        for kind, start, end, _, _ in matcher.get_opcodes()
        if kind != "equal" and end > start
    ]


def changed_words(text: str, other: str) -> tuple[int, int]:
    """How many words of ``text`` differ from ``other``, and how many it has."""
    changed = sum(len(text[start:end].split()) for start, end in changed_spans(text, other))
    return changed, len(text.split())


def marked(text: str, other: str, style: str = "bold $warning") -> Content:
    """``text`` with the words that ``other`` doesn't have there in ``style``."""
    content = Content(text)
    for start, end in changed_spans(text, other):
        content = content.stylize(style, start, end)
    return content
