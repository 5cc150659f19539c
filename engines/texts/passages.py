"""Long texts cut into passages at the ends of sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

# No mark ends a sentence after a single capital ("J. Smith") or a usual short form.
_SENTENCE_END = re.compile(
    r"(?:(?<=[.!?])|(?<=[.!?][\"'”’)]))"
    r"(?<!\b[A-Z]\.)(?<!\b(?:Mr|Dr|St|vs|No|Lt)\.)(?<!\b(?:Mrs|Rev|Gen|Col)\.)(?<!\bProf\.)"
    r"\s+(?=[\"'“‘(]?[A-Z0-9])|(?<=[。！？])"
)
_PARAGRAPH_END = re.compile(r"\n\s*\n")

# A "sentence" of more characters than this is a table or code and is cut wherever it is.
_LONGEST_SENTENCE = 1_500


def sentences(paragraph: str) -> list[str]:
    """The sentences of ``paragraph``, each on one line, none of them empty."""
    cut = (part for s in _SENTENCE_END.split(paragraph) for part in _cut(" ".join(s.split())))
    return [part for part in cut if part]


def passages(text: str, words: int = 80) -> tuple[str, ...]:
    """Cut ``text`` into passages of about ``words`` words that end with a sentence.

    The end of a paragraph ends a passage that is at least half as long.  A last passage
    of less than a quarter is joined to the one before.
    """
    found: list[str] = []
    pending: list[str] = []
    for sentence, ends_paragraph in _marked_sentences(text):
        if pending and _length(pending) + _length([sentence]) > words * 5 // 4:
            found.append(" ".join(pending))
            pending = []
        pending.append(sentence)
        if _length(pending) >= (words // 2 if ends_paragraph else words):
            found.append(" ".join(pending))
            pending = []
    if pending and found and _length(pending) < words // 4:
        found[-1] = " ".join([found[-1], *pending])
    elif pending:
        found.append(" ".join(pending))
    return tuple(found)


def _marked_sentences(text: str) -> Iterator[tuple[str, bool]]:
    for paragraph in _PARAGRAPH_END.split(text):
        listed = sentences(paragraph)
        for number, sentence in enumerate(listed, start=1):
            yield sentence, number == len(listed)


def _cut(sentence: str) -> Iterator[str]:
    for start in range(0, len(sentence), _LONGEST_SENTENCE):
        yield sentence[start : start + _LONGEST_SENTENCE].strip()


def _length(parts: list[str]) -> int:
    """Words, where a script without spaces counts six characters as one."""
    text = " ".join(parts)
    return max(len(text.split()), len(text) // 12)
