"""Which passages an answer rests on, and which sentence of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engines.jitrl.sentences import sentence_spans
from engines.protocol import Citation, Passage
from engines.words import stems

_BRACKETS = r"\[\d{1,3}(?:\s*[,;]\s*\d{1,3})*\]"
# Right behind a letter it is code, such as x[2] or grid[1][2], and cites nothing.
_MARKER = re.compile(rf"(?<![A-Za-z0-9_\]])(?:{_BRACKETS})+")
_BEFORE = 12  # characters that are looked at to tell a document's own number
_FEWEST_WORDS = 2  # informative words to share, or all where the answer has fewer
_SMALLEST_SHARE = 0.5  # of the informative words of a sentence of the answer


@dataclass(frozen=True, slots=True)
class Cited:
    """What an answer rests on; ``marker`` is to be appended, and empty where [n] is there."""

    citations: tuple[Citation, ...] = ()
    marker: str = ""


@dataclass(frozen=True, slots=True)
class _Match:
    """How many informative words a sentence ``start:end`` of a passage shares with a claim."""

    words: int
    share: float
    start: int = 0
    end: int = 0


_NO_MATCH = _Match(0, 0.0)


def cited(answer: str, passages: Sequence[Passage]) -> Cited:
    """What ``answer`` rests on of the ``passages`` that have a ``reference``.

    The [n] that the model wrote count where there is such a passage.  Not counted are those
    right behind a letter or figure (x[2] is code) and those that a passage itself has behind
    the same words: the model copied these.

    Where none counts, the passage is cited whose sentence shares most informative words with
    a sentence of the answer: at least two and half of them, or nothing is cited.  An answer
    that holds a number in brackets all the same is left as it is, and gets no marker: behind
    a number that cites nothing, a second one would make both look like citations.
    """
    unmarked = re.search(_BRACKETS, answer) is None
    answer = _without_copied(answer, passages)
    placed = {passage.reference: passage for passage in passages if passage.reference}
    claims = _claims(answer)
    numbers = [n for n in dict.fromkeys(_numbers(answer)) if n in placed]
    if numbers:
        return Cited(tuple(_as_written(n, placed[n], claims) for n in numbers))
    best = [(_best(p, claims), p) for p in placed.values()]
    enough = [(match, passage) for match, passage in best if _is_enough(match)]
    if not enough:
        return Cited()
    match, passage = max(enough, key=lambda pair: (pair[0].words, pair[0].share))
    marker = f" [{passage.reference}]" if unmarked else ""
    return Cited((_citation(passage, match),), marker)


def without_markers(text: str) -> str:
    """``text`` with (n) for each [n] that would be taken for a citation."""
    return _MARKER.sub(lambda found: _in_parentheses(found.group()), text)


def _in_parentheses(marker: str) -> str:
    return marker.replace("[", "(").replace("]", ")")


def _without_copied(answer: str, passages: Sequence[Passage]) -> str:
    """``answer`` with (n) for each [n] that a passage has behind the same words."""

    def plain(found: re.Match[str]) -> str:
        before = answer[max(0, found.start() - _BEFORE) : found.start()]
        copied = before.strip() and any(before + found.group() in p.text for p in passages)
        return _in_parentheses(found.group()) if copied else found.group()

    return _MARKER.sub(plain, answer)


def _as_written(number: int, passage: Passage, claims: Sequence[str]) -> Citation:
    own = [claim for claim in claims if number in _numbers(claim)]
    return _citation(passage, _best(passage, own))


def _numbers(text: str) -> list[int]:
    return [int(n) for found in _MARKER.finditer(text) for n in re.findall(r"\d+", found.group())]


def _claims(answer: str) -> list[str]:
    """The sentences of ``answer``; a marker that stands behind one belongs to it."""
    claims: list[str] = []
    for start, end in sentence_spans(answer):
        sentence = answer[start:end]
        while claims and (mark := _MARKER.match(sentence)):
            claims[-1] += f" {mark.group()}"
            sentence = sentence[mark.end() :].lstrip(" .")
        if sentence:
            claims.append(sentence)
    return claims


def _best(passage: Passage, claims: Sequence[str]) -> _Match:
    best = _NO_MATCH
    for start, end in sentence_spans(passage.text):
        words = stems(passage.text[start:end])
        for claim in claims:
            own = stems(_MARKER.sub("", claim))
            shared = len(own & words)
            if shared:
                match = _Match(shared, shared / len(own), start, end)
                best = max(best, match, key=lambda one: (one.words, one.share))
    return best


def _is_enough(match: _Match) -> bool:
    return match.share >= _SMALLEST_SHARE and (match.words >= _FEWEST_WORDS or match.share == 1.0)


def _citation(passage: Passage, match: _Match) -> Citation:
    return Citation(
        passage.document_id,
        passage.title,
        passage.text,
        passage.score,
        number=passage.reference,
        start=match.start,
        end=match.end,
    )
