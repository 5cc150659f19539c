"""The running text of a document: paragraphs and sentences without headings, code or tables."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from textwrap import dedent

from engines.texts.passages import sentences as plain_sentences

_FENCE = re.compile(r"\s*(```|~~~)")
_HEADING = re.compile(r" {0,3}#{1,6}(\s|$)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)\s*$")
_LIST_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_TABLE = re.compile(r"\s*\||[\s:|-]*\|[\s:|-]*$")
_MARKUP_LINE = re.compile(r"\s*(<.*>|(\*\s*){3,}|(_\s*){3,}|!\[.*\]\(.*\))\s*$")
_QUOTE = re.compile(r"\s*>\s?")
_INDENTED = re.compile(r"\t| {4}")
_SENTENCE_LIKE = re.compile(r"[\"'“‘(]?[^\W\d_].*[.!?][\"'”’)]*$", re.DOTALL)

_LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*\)")
_NOTE_MARK = re.compile(r"\[\^?\w{1,3}\]")
_EMPHASIS = re.compile(r"(\*\*|__|\*|_|`)(?=\S)(.+?)(?<=\S)\1(?!\w)")

_ABBREVIATION = re.compile(
    r"\b(?:e\.g|i\.e|cf|ca|c|approx|[Ff]igs?|[Vv]ols?|[Ee]ds?|pp?|[Nn]os?|Inc|Ltd|Co|Corp|Bros|Jr|Sr|"
    r"Mt|Ft|Sen|Rep|Gov|Capt|Sgt|Maj|Hon|Dept|Univ|Est|est|viz|al|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|"
    r"Nov|Dec|Ms|Messrs|Mme|Mlle|Fr)\.$"
)


@lru_cache(maxsize=8)
def paragraphs(text: str) -> tuple[str, ...]:
    """The paragraphs of running text in ``text``, each on one line, in their order.

    Markdown's headings, code, tables and images are left out; a list item is a paragraph
    of its own; marks of emphasis and the targets of links are taken away.
    """
    found = (_inline(" ".join(" ".join(block).split())) for block in _blocks(text))
    return tuple(paragraph for paragraph in found if paragraph)


def sentences(paragraph: str) -> list[str]:
    """The sentences of ``paragraph``; an abbreviation's full stop ends none."""
    found: list[str] = []
    for part in plain_sentences(paragraph):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] = f"{found[-1]} {part}"
        else:
            found.append(part)
    return found


def chunks(text: str, tokens: int, count: Callable[[str], int]) -> tuple[str, ...]:
    """Passages of at most about ``tokens`` tokens that end with a sentence.

    ``count`` tells the tokens of a text.  A paragraph's end ends a passage that is at
    least half full, and a paragraph that does not fit begins a new one.
    """
    found: list[str] = []
    pending, size = "", 0
    for sentence, begins_paragraph in _measured(text, tokens, count):
        new = count(sentence)
        full = size + new > tokens or (begins_paragraph and size > tokens // 2)
        if pending and full:
            found.append(pending)
            pending, size = "", 0
        joint = ("\n" if begins_paragraph else " ") if pending else ""
        pending, size = pending + joint + sentence, size + new
    if pending:
        found.append(pending)
    return tuple(found)


def _measured(text: str, tokens: int, count: Callable[[str], int]) -> Iterator[tuple[str, bool]]:
    for paragraph in paragraphs(text):
        for number, sentence in enumerate(sentences(paragraph)):
            pieces = _cut(sentence, math.ceil(count(sentence) / tokens))
            for piece_number, piece in enumerate(pieces):
                yield piece, number == piece_number == 0


def _cut(sentence: str, pieces: int) -> Iterator[str]:
    """An overlong "sentence" in equal parts: between words, or in a script without spaces."""
    if pieces <= 1:
        yield sentence
        return
    split = sentence.split(" ")
    joint = " " if len(split) >= pieces else ""
    parts = split if joint else list(sentence)
    step = math.ceil(len(parts) / pieces)
    for start in range(0, len(parts), step):
        yield joint.join(parts[start : start + step])


def _blocks(text: str) -> Iterator[list[str]]:
    """The lines of each paragraph or list item."""
    block: list[str] = []
    for line in _lines_outside_code(dedent(text)):
        underline = bool(block) and _UNDERLINE.match(line) is not None
        if underline and len(block) == 1:
            block = []
        elif not line.strip() or underline or _is_markup(line):
            yield from _prose(block)
            block = []
        elif _LIST_ITEM.match(line):
            yield from _prose(block)
            block = [_LIST_ITEM.sub("", line, count=1)]
        else:
            block.append(line)
    yield from _prose(block)


def _lines_outside_code(text: str) -> Iterator[str]:
    fence = None
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if mark and fence in {None, mark.group(1)}:
            fence = None if fence else mark.group(1)
            yield ""
        elif fence is None:
            yield _QUOTE.sub("", line, count=1)


def _is_markup(line: str) -> bool:
    return any(kind.match(line) for kind in (_HEADING, _TABLE, _MARKUP_LINE))


def _prose(block: list[str]) -> Iterator[list[str]]:
    """``block``, unless it is empty or code by its indentation.

    Indented text that begins and ends as a sentence does is a plain text's paragraph.
    """
    indented = all(_INDENTED.match(line) for line in block)
    if block and (not indented or _SENTENCE_LIKE.match("\n".join(block).strip())):
        yield block


def _inline(text: str) -> str:
    text = _NOTE_MARK.sub("", _LINK.sub(r"\1", text))
    return _EMPHASIS.sub(r"\2", text).strip()
