"""Gold answers that were copied into a bullet.

A rule that names the answer teaches nothing and makes every later score a lie.  Whole words in
a row are compared, in any case and punctuation, numbers by their value (259,000 is 259000.0).

Not every gold can be looked for: "yes" or "2" stand in honest rules ("say yes or no", "round to
2 decimals").  A gold counts where a match can hardly be chance:

- a number with three digits or more that are not trailing zeros (8.33 or 1888; not 5.0, 100 or
  1,000,000, which are what rules are full of);
- one word of four letters or more that is no stop word and no number word;
- several words with at least one of the above, or with six letters in all that are no stop words;
- two characters or more of a script that is written without spaces.

A gold that stands in the question itself is one of its choices, not a secret, and passes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation

from engines.words import NUMBER_WORDS, STOP_WORDS

_UNSPACED = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"
)
_TOKEN = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?|[^\W\d_]+|\d+")
_ARTICLES = frozenset({"a", "an", "the"})
_VERDICTS = frozenset({"true", "false", "unknown", "none", "correct", "incorrect", "wrong"})
_SIGNIFICANT_DIGITS = 3
_LETTERS_OF_ONE = 4
_LETTERS_OF_SEVERAL = 6
_MOST_CHARACTERS = 10_000


def copied_gold(text: str, golds: Iterable[str], question: str = "") -> str | None:
    """The first of ``golds`` that ``text`` gives away, or None."""
    plain, asked = _plain(text), _plain(question)
    return next((g for g in golds if _gives_away(plain, g) and not _gives_away(asked, g)), None)


def is_checkable(gold: str) -> bool:
    """Whether ``gold`` is long or rare enough that its standing in a text can't be chance."""
    tokens = _tokens(gold)
    if _UNSPACED.search(gold):
        return sum(map(len, tokens)) >= 2
    telling = [t for t in tokens if t not in STOP_WORDS | NUMBER_WORDS | _VERDICTS]
    if any(_is_telling(token) for token in telling):
        return True
    return len(tokens) > 1 and sum(t.isalpha() * len(t) for t in telling) >= _LETTERS_OF_SEVERAL


def _is_telling(token: str) -> bool:
    if not token[0].isdigit():
        return len(token) >= _LETTERS_OF_ONE
    return len(token.replace(".", "").strip("0")) >= _SIGNIFICANT_DIGITS


def _gives_away(plain: str, gold: str) -> bool:
    if not is_checkable(gold):
        return False
    looked_for = _plain(gold)
    return (looked_for.strip() if _UNSPACED.search(gold) else looked_for) in plain


def _plain(text: str) -> str:
    return f" {' '.join(_tokens(text))} "


def _tokens(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text[:_MOST_CHARACTERS]).casefold()
    return [token for token in _found(plain) if token not in _ARTICLES]


def _found(plain: str) -> Iterator[str]:
    for token in _TOKEN.findall(plain):
        yield _number(token) if token[0].isdigit() else token


def _number(token: str) -> str:
    """A number in one spelling: no thousands' commas, no zeros at the end of decimals."""
    try:
        value = format(Decimal(token.replace(",", "")), "f")
    except InvalidOperation:  # digits of another script that are no decimal number
        return token
    return value.rstrip("0").rstrip(".") if "." in value else value
