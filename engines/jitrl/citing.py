"""Which passages an answer rests on, and which sentence of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engines.jitrl.sentences import sentence_spans
from engines.protocol import Citation, Passage
from engines.words import stems

_MARKER = re.compile(r"\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")
FEWEST_WORDS = 2  # informative words to share, or all where the answer has fewer
SMALLEST_SHARE = 0.5  # of the informative words of a sentence of the answer


@dataclass(frozen=True, slots=True)
class Cited:
    """What an answer rests on; ``marker`` is to be appended where the model wrote none."""

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

    The [n] that the model wrote count where there is such a passage.  Where it wrote none,
    the passage is cited whose sentence shares most informative words with a sentence of the
    answer: at least two and half of them, or nothing is cited.
    """
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
    return Cited((_citation(passage, match),), f" [{passage.reference}]")


def _as_written(number: int, passage: Passage, claims: Sequence[str]) -> Citation:
    own = [claim for claim in claims if number in _numbers(claim)]
    return _citation(passage, _best(passage, own))


def _numbers(text: str) -> list[int]:
    return [int(n) for found in _MARKER.finditer(text) for n in re.findall(r"\d+", found.group(1))]


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
    return match.share >= SMALLEST_SHARE and (match.words >= FEWEST_WORDS or match.share == 1.0)


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
