"""Where the sentences of a passage begin and end."""

from __future__ import annotations

import re

# A full stop after a single capital ("J. Smith") or a usual short form ends no sentence.
_END = re.compile(
    r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’)\]]))"
    r"(?<!\b[A-Z]\.)(?<!\b(?:Mr|Dr|St|vs|No|Lt)\.)(?<!\b(?:Mrs|Rev|Gen|Col|e\.g|i\.e)\.)"
    r"\s+|(?<=[。！？])\s*|\s*\n\s*\n\s*"
)


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence in ``text``, none of them blank, in order."""
    spans = []
    start = 0
    for mark in [*_END.finditer(text), None]:
        end = len(text) if mark is None else mark.start()
        if text[start:end].strip():
            left = len(text[start:end]) - len(text[start:end].lstrip())
            spans.append((start + left, start + len(text[start:end].rstrip())))
        start = end if mark is None else mark.end()
    return spans
