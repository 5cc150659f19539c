"""Words of a text, those that carry information, and how alike two texts are.

The short list of stop words is English.  In other languages the commonest words count
as informative too, which makes the checks built on it milder, never wrong.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:['’.,\-][^\W_]+)*")
_STEM = 5  # letters
_POSSESSIVE = re.compile(r"['’][sS]$")

_ARTICLES = frozenset({"a", "an", "the", "of"})

_STOP_WORDS = """
a about above after again against all also although always am among an and another any
are around as at away back be became because become been before began being below
between both but by came can cannot come could did do does doing done down during each
either else even ever every few first for from gave get give given go goes got had has
have having he her here hers herself him himself his how however i if in into is it its
itself just kept last least less let like made make makes many may me might more most
much must my near neither never next no nor not nothing now of off often on once one
only onto or other others our out over own per quite rather said same say says shall
she should since so some such take than that the their theirs them themselves then
there these they this those though through thus to together too took toward towards
under until up upon us use used uses using very was we well went were what when where
whether which while who whom whose why will with within without would yes yet you your
name named call called happen happened happens describe explain tell mean means
"""

_NUMBER_WORDS = """
two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty
ninety hundred hundreds thousand thousands million millions billion billions dozen
half twice third fourth fifth sixth seventh eighth ninth tenth
"""

STOP_WORDS = frozenset(_STOP_WORDS.split())
NUMBER_WORDS = frozenset(_NUMBER_WORDS.split())


def words(text: str) -> list[str]:
    """The words and numbers of ``text`` in lower case, without a possessive ``'s``."""
    return [word.lower() for word in written(text)]


def written(text: str) -> list[str]:
    """The words and numbers of ``text`` as they are written, without a possessive ``'s``."""
    return [_POSSESSIVE.sub("", found.group()) for found in _WORD.finditer(text)]


def informative(text: str) -> frozenset[str]:
    """The words that say something: numbers, and longer words that are no stop words."""
    return frozenset(word for word in words(text) if is_informative(word))


def is_informative(word: str) -> bool:
    """Whether ``word`` (as ``words`` gives it) is a number, or longer and no stop word."""
    return word not in STOP_WORDS and (len(word) > 2 or not word.isascii() or word.isdigit())


def similarity(one: str, other: str) -> float:
    """Shared words as a share (0..1) of the words of both texts (Jaccard), without articles."""
    first, second = _set(one), _set(other)
    return len(first & second) / len(first | second) if first or second else 1.0


def _set(text: str) -> set[str]:
    return {"what" if word == "which" else word for word in words(text)} - _ARTICLES


def is_number(word: str) -> bool:
    """Whether ``word`` (as ``words`` gives it) is a number in digits or in English."""
    if any(letter.isdigit() for letter in word):
        return True
    return any(part in NUMBER_WORDS for part in word.split("-"))


def names_and_figures(text: str) -> list[str]:
    """Capitalised words inside a sentence, and words with a digit, as ``words`` gives them."""
    found: list[str] = []
    begins = True
    for written in text.split():
        for word in words(written):
            capital = next(letter for letter in written if letter.isalnum()).isupper()
            figure = any(letter.isdigit() for letter in word)
            if figure or (capital and not begins and word not in STOP_WORDS):
                found.append(word)
        begins = written.rstrip("\"'”’)").endswith((".", "!", "?", ":"))
    return found


def stems(text: str) -> frozenset[str]:
    """The first five letters of each informative word of ``text``."""
    return frozenset(word[:_STEM] for word in informative(text))


def shared(text: str, other: str) -> float:
    """The share (0..1) of the informative words of ``text`` that ``other`` has too.

    A word counts as had where one of the other's words begins with the same five letters,
    so that another ending does not matter.
    """
    own = stems(text)
    return len(own & {word[:_STEM] for word in words(other)}) / len(own) if own else 0.0
