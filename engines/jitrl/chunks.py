"""A document cut into overlapping chunks that end with sentences, by offsets into its text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from engines.jitrl.sentences import sentence_spans, stripped

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")
_HEADING = re.compile(r"#{1,6}\s.*|[^\n]*\n\s*(?:=+|-{2,})", re.ASCII)
_SPACE = re.compile(r"\s+")

# Nothing longer than this is tokenised at once, whatever the text looks like.
_MOST_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Chunk:
    """``text[start:end]`` of a document, in characters, and how many tokens it has."""

    start: int
    end: int
    tokens: int


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence, a heading or a part of an overlong sentence; it never begins with space."""

    start: int
    end: int
    tokens: int
    heading: bool = False


def cut(tokenizer: Any, text: str, *, chunk_tokens: int, overlap_tokens: int) -> Iterator[Chunk]:
    """Chunks of at most ``chunk_tokens`` tokens, one after the other as they are asked for.

    A chunk ends where a sentence does, if it can, and begins with the last whole sentences
    of the one before, up to ``overlap_tokens`` (at most half a chunk).  A heading goes with
    what follows it.  A sentence that is too long is cut between words, or characters in a
    script without spaces.  Each character but white space is in at least one chunk, and a
    chunk neither begins nor ends with space.  A single character that alone has more tokens
    than that is the one exception to the size.  Only a sentence or chunk is tokenised at a time,
    without special tokens.

    Raises:
        ValueError: if ``chunk_tokens`` is less than 1 or ``overlap_tokens`` negative.
    """
    if chunk_tokens < 1 or overlap_tokens < 0:
        raise ValueError(
            f"chunk_tokens {chunk_tokens} must be 1 or more and "
            f"overlap_tokens {overlap_tokens} 0 or more"
        )

    def count(part: str) -> int:
        return len(tokenizer(part, add_special_tokens=False, verbose=False)["input_ids"])

    return _Cutter(text, count, chunk_tokens, min(overlap_tokens, chunk_tokens // 2)).chunks()


class _Cutter:
    """Gathers units until the next would not fit."""

    def __init__(
        self, text: str, count: Callable[[str], int], chunk_tokens: int, overlap_tokens: int
    ) -> None:
        self._text = text
        self._count = count
        self._limit = chunk_tokens
        self._overlap = overlap_tokens

    def chunks(self) -> Iterator[Chunk]:
        pending: list[_Unit] = []
        repeated = 0  # how many of the pending units an earlier chunk holds already
        for unit in self._units():
            while pending and _size([*pending, unit]) > self._limit:
                if len(pending) == repeated:  # only repetition is in the way of this unit
                    del pending[0]
                    repeated -= 1
                    continue
                chunk, taken = self._largest(pending, repeated, more_follows=True)
                yield chunk
                kept = self._repetition(pending[:taken])
                pending, repeated = pending[taken - kept :], kept
            pending.append(unit)
        while len(pending) > repeated:
            chunk, taken = self._largest(pending, repeated, more_follows=False)
            yield chunk
            kept = self._repetition(pending[:taken])
            pending, repeated = pending[taken - kept :], kept

    def _largest(
        self, units: Sequence[_Unit], repeated: int, *, more_follows: bool
    ) -> tuple[Chunk, int]:
        """The chunk of as many units as fit, at least one of them new, and where it ends."""
        taken = len(units)
        if more_follows:
            taken = _before_headings(units, taken, repeated)
        first = 0
        while True:
            start, end = units[first].start, units[taken - 1].end
            tokens = self._count(self._text[start:end])
            if tokens <= self._limit or taken - first == 1:
                return Chunk(start, end, tokens), taken
            if taken > repeated + 1:
                taken = _before_headings(units, taken - 1, repeated)
            else:
                first += 1

    def _repetition(self, units: Sequence[_Unit]) -> int:
        """How many of the last units stay within the overlap; never all of them."""
        kept = 0
        while kept < len(units) - 1 and _size(units[-kept - 1 :]) <= self._overlap:
            kept += 1
        return kept

    def _units(self) -> Iterator[_Unit]:
        for start, end in _paragraphs(self._text):
            for first, last in _sentences(self._text, start, end):
                heading = _HEADING.fullmatch(self._text, first, last) is not None
                yield from self._fitting(first, last, heading)

    def _fitting(self, start: int, end: int, heading: bool) -> Iterator[_Unit]:
        """The sentence, or where it has too many tokens its parts."""
        if end - start <= _MOST_CHARACTERS:
            tokens = self._count(self._text[start:end])
            if tokens <= self._limit or end - start == 1:
                yield _Unit(start, end, tokens, heading)
                return
        middle = _near_middle(self._text, start, end)
        for first, last in ((start, middle), (middle, end)):
            for part in stripped(self._text, first, last):
                yield from self._fitting(*part, heading)


def _before_headings(units: Sequence[_Unit], taken: int, repeated: int) -> int:
    """``taken`` without the headings that end it, unless nothing new would be left."""
    fewer = taken
    while fewer > repeated + 1 and units[fewer - 1].heading:
        fewer -= 1
    return taken if units[fewer - 1].heading else fewer


def _size(units: Sequence[_Unit]) -> int:
    """About how many tokens the units have together, with the space between them."""
    spaces = sum(max(0, after.start - unit.end - 1) for unit, after in pairwise(units))
    return spaces + sum(unit.tokens for unit in units)


def _near_middle(text: str, start: int, end: int) -> int:
    """Where a word begins near the middle; the middle itself if none does."""
    middle = (start + end) // 2
    reach = (end - start) // 4
    after = _SPACE.search(text, middle, middle + reach)
    if after:
        return after.end()
    before = max(text.rfind(mark, middle - reach, middle) for mark in (" ", "\n", "\t"))
    return before if before > start else middle


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for blank in _BLANK_LINE.finditer(text):
        yield from stripped(text, start, blank.start())
        start = blank.end()
    yield from stripped(text, start, len(text))


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    first_line = text.find("\n", start, end)
    if first_line >= 0 and text.startswith("#", start):  # a heading right above its text
        yield from stripped(text, start, first_line)
        start = first_line
    yield from sentence_spans(text, start, end)
