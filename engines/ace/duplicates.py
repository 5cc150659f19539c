"""Bullets that say what another of their section says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from engines.ace.bullet import Bullet
from engines.words import NUMBER_WORDS, STOP_WORDS

DEFAULT_SIMILARITY = 0.85

# Two texts that share fewer of their words than this never reach a useful threshold, so most
# pairs are told apart without counting anything.
_SHARED_AT_LEAST = 0.3
_CIRCLING_FROM = 16

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*|[-+*/=<>%^]")
_TURNING = """
no not never none without cannot unless except nor neither only avoid don't doesn't isn't can't
won't shouldn't mustn't always before after above below more less least most maximum minimum
increase decrease add subtract multiply divide first last
"""
_TURNS = frozenset(_TURNING.split()) | NUMBER_WORDS
_RIGHT_SIDE = re.compile(r"=([^=;]*)")


@dataclass(frozen=True, slots=True)
class Twin:
    """A bullet that says the same; ``similarity`` is 1 where it is the same word for word."""

    id: str
    similarity: float


def twin_of(text: str, bullets: Sequence[Bullet], threshold: float) -> Twin | None:
    """The bullet among ``bullets`` that is most alike ``text``, from ``threshold`` (0..1) on.

    Alike is the same words in the same order, else the cosine of TF-IDF over the words that say
    something, singular or plural.  Texts that differ in a number, in a word that turns a sentence
    round (not, always, before, more, ...) or on the right of an equals sign say different things
    however alike.
    """
    same = next((b for b in bullets if _tokens(b.text) == _tokens(text)), None)
    if same is not None:
        return Twin(same.id, 1.0)
    if not any(_may_be_twins(text, b.text) for b in bullets):
        return None
    scores = _cosines([text], [b.text for b in bullets])[0]
    found = [
        Twin(bullet.id, score)
        for bullet, score in zip(bullets, scores, strict=True)
        if score >= threshold and _may_be_twins(text, bullet.text)
    ]
    return max(found, key=lambda twin: twin.similarity, default=None)


def only_repeats(text: str) -> bool:
    """Whether ``text`` goes round in circles, as what a small model writes greedily does.

    Of 16 words or more, less than a third are different ones; a rule of that length has two
    thirds.
    """
    tokens = _tokens(text)
    return len(tokens) >= _CIRCLING_FROM and len(set(tokens)) < len(tokens) / 3


def _may_be_twins(one: str, other: str) -> bool:
    first, second = _words(one), _words(other)
    shared = len(first & second)
    return shared >= _SHARED_AT_LEAST * len(first | second) > 0 and _turns(one) == _turns(other)


def _cosines(texts: Sequence[str], against: Sequence[str]) -> list[list[float]]:
    """Cosines ``[len(texts)][len(against)]``, at most 1."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer="word", tokenizer=_telling, token_pattern=None, lowercase=False
    )
    known = vectorizer.fit_transform([*against, *texts])
    scores = known[len(against) :] @ known[: len(against)].T
    return [[min(1.0, float(score)) for score in row] for row in scores.toarray()]


@lru_cache(maxsize=1 << 14)
def _tokens(text: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return tuple(_TOKEN.findall(plain)) or (plain,)


@lru_cache(maxsize=1 << 14)
def _telling(text: str) -> tuple[str, ...]:
    """The words without stop words and without a plural's s; all of them if none is left."""
    tokens = _tokens(text)
    kept = tuple(_singular(token) for token in tokens if token not in STOP_WORDS)
    return kept or tokens


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] != "s" else word


@lru_cache(maxsize=1 << 14)
def _words(text: str) -> frozenset[str]:
    return frozenset(_telling(text))


@lru_cache(maxsize=1 << 14)
def _turns(text: str) -> tuple[object, ...]:
    """What must be the same for two texts to say the same."""
    tokens = [token.replace("’", "'") for token in _tokens(text)]
    numbers = sorted(token for token in tokens if token[0].isdigit())
    turns = frozenset(tokens) & _TURNS
    sides = tuple(_tokens(side.rstrip(" .,")) for side in _RIGHT_SIDE.findall(text))
    return tuple(numbers), turns, sides
