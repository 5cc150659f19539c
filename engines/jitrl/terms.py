"""What a text is looked up by: stemmed words, pairs of them, and character n-grams."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

import Stemmer

from engines.words import STOP_WORDS

NGRAM = 4

# Scripts written without spaces: Chinese, Japanese, Thai, Lao, Burmese and Khmer.
_UNSPACED = "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f"
_UNSPACED += "\u1780-\u17ff\U00020000-\U0003ffff"
# Vowel and other signs that belong to a word though they are not letters.
_SIGNS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0dff"
_TOKEN = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|(?:(?![{_UNSPACED}])[\w{_SIGNS}])+")

_stemmer = Stemmer.Stemmer("english")


def words(text: str) -> list[str]:
    """Stemmed words without English stop words, and each two that follow one another.

    A run of a script without spaces gives its pairs of characters.
    """
    single: list[str] = []
    for word, unspaced in _tokens(text):
        single += _pairs_of_characters(word) if unspaced else [_stem(word)]
    return single + [f"{first} {second}" for first, second in pairwise(single)]


def ngrams(text: str) -> list[str]:
    """The runs of ``NGRAM`` characters of each word and its edges, without stop words."""
    return [gram for word, _ in _tokens(text) for gram in _ngrams_of(word)]


def _tokens(text: str) -> list[tuple[str, bool]]:
    """Each word in one spelling, and whether it is a run without spaces."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    found = ((match[0], match["unspaced"] is not None) for match in _TOKEN.finditer(plain))
    return [(word, unspaced) for word, unspaced in found if word not in STOP_WORDS]


def _pairs_of_characters(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(max(1, len(run) - 1))]


@lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
    stemmed: str = _stemmer.stemWord(word)
    return stemmed


@lru_cache(maxsize=1 << 16)
def _ngrams_of(word: str) -> tuple[str, ...]:
    edged = f" {word} "
    return tuple(edged[i : i + NGRAM] for i in range(max(1, len(edged) - NGRAM + 1)))
