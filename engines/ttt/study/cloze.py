"""Items from the document's own sentences: the beginning is shown, the rest is asked for.

They need no model, so they serve where a model is too small to write questions.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from engines.protocol import StudyItem
from engines.ttt.study.paragraphs import paragraphs, sentences
from engines.ttt.study.steps import evenly
from engines.words import STOP_WORDS, is_number, words

_LEAD_WORDS = 4  # fewer would ask for a guess
_WORDS = range(7, 61)
_PER_SENTENCE = 3
_WORDS_APART = 3
_LONG_WORD = 5
_WHOLE = re.compile(r"[\"'“‘(]?[^\W_a-z].*[.!?][\"'”’)]*$")

_NAME_OR_NUMBER = 4.0  # how much likelier than a rare word a span begins here
_RARE_WORD = 1.0


@dataclass(frozen=True, slots=True)
class _Sentence:
    passage: str
    words: list[str]
    starts: list[int]  # where a span may begin, the likeliest first


def cloze_items(text: str, limit: int, seed: int) -> tuple[StudyItem, ...]:
    """Up to ``limit`` cloze items, spread over ``text``, in its order.

    Each asks for the rest of a sentence from a name, a number or a rare word on.  A
    sentence is used again, with another span, only once every sentence was.  The same
    arguments give the same items.
    """
    found = _usable_sentences(text, random.Random(seed))
    chosen: list[tuple[int, int]] = []
    for turn in range(_PER_SENTENCE):
        places = [(n, s.starts[turn]) for n, s in enumerate(found) if turn < len(s.starts)]
        chosen += evenly(places, limit - len(chosen))
    return tuple(_item(found[number], start) for number, start in sorted(chosen))


def _item(sentence: _Sentence, start: int) -> StudyItem:
    return StudyItem(
        kind="cloze",
        prompt=" ".join(sentence.words[:start]),
        answer=" ".join(sentence.words[start:]),
        passage=sentence.passage,
    )


def _usable_sentences(text: str, chance: random.Random) -> list[_Sentence]:
    counts = Counter(word for paragraph in paragraphs(text) for word in words(paragraph))
    found: dict[str, _Sentence] = {}
    for paragraph in paragraphs(text):
        for sentence in sentences(paragraph):
            if sentence in found or not _is_whole(sentence):
                continue
            split = sentence.split(" ")
            starts = _starts(split, counts, chance)
            if starts:
                found[sentence] = _Sentence(paragraph, split, starts)
    return list(found.values())


def _is_whole(sentence: str) -> bool:
    """Whether this is one whole sentence of words, not a part of a quotation, list or table."""
    letters = sum(letter.isalpha() for letter in sentence)
    return (
        len(sentence.split(" ")) in _WORDS
        and _WHOLE.match(sentence) is not None
        and letters > 0.6 * len(sentence)
        and "://" not in sentence
        and sentence.count('"') % 2 == 0
        and sentence.count("“") == sentence.count("”")
        and sentence.count("(") == sentence.count(")")
    )


def _starts(split: list[str], counts: Mapping[str, int], chance: random.Random) -> list[int]:
    """Where spans may begin, in an order drawn by how much they tell, no two close together."""
    weights = [_weight(word, counts) for word in split]
    drawn = [
        # The Efraimidis-Spirakis key: the largest of u^(1/w) is a draw in proportion to w.
        (chance.random() ** (1 / weights[i]), i)
        for i in range(_LEAD_WORDS, len(split))
        if weights[i] and not _inside(split, weights, i)
    ]
    apart: list[int] = []
    for _, start in sorted(drawn, reverse=True):
        if all(abs(start - other) >= _WORDS_APART for other in apart):
            apart.append(start)
    return apart


def _inside(split: list[str], weights: list[float], start: int) -> bool:
    """Whether ``start`` is in the middle of a name, or in brackets."""
    lead = " ".join(split[:start])
    in_name = weights[start] == weights[start - 1] == _NAME_OR_NUMBER
    return in_name or lead.count("(") > lead.count(")")


def _weight(word: str, counts: Mapping[str, int]) -> float:
    """How gladly a span begins with ``word``, not the first of its sentence; 0 is never."""
    bare = words(word)
    if not bare or bare[0] in STOP_WORDS:
        return 0.0
    letter = next((letter for letter in word if letter.isalnum()), "")
    if is_number(bare[0]) or letter.isupper():
        return _NAME_OR_NUMBER
    rare = counts[bare[0]] <= 1 and len(bare[0]) >= _LONG_WORD
    return _RARE_WORD if rare else 0.0
