"""Whether an answer is right: by its words, and by their value where they are numbers."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from engines.ace.golds import is_checkable

_ARTICLES = frozenset({"a", "an", "the"})
_VERDICTS = frozenset({"yes", "no", "true", "false"})
_CONTAINING_WORDS = 40  # a longer answer may hold any gold by chance
_MOST_CHARACTERS = 4000
_TOLERANCE = 0.005  # half of the second decimal, to which answers are asked to be rounded
_RELATIVE = 1e-6

_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[-+]?)\s*[$€£]?\s*(?P<minus>-?)(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|"
    r"\.\d+)(?P<exponent>e[-+]?\d{1,2})?\s*(?P<percent>%|percent\b)?\s*"
    rf"(?P<scale>{'|'.join(_SCALES)})?(?![\w])",
    re.IGNORECASE,
)
_ITEMS = re.compile(r"[\w.-]+(?:\s*,\s*[\w.-]+)+")


@dataclass(frozen=True, slots=True)
class Judgement:
    """``right`` is the whole answer; ``credit`` (0..1) the share of a list's items."""

    right: bool
    credit: float


def judged(answer: str, golds: Iterable[str]) -> Judgement:
    """``answer`` against the best of ``golds``.

    A text is right if it is a gold in any case and punctuation, or a short answer that holds a
    gold which can hardly stand there by chance.  A number is right within half of its second
    decimal; "20%" counts as 0.2 and as 20, "1.5 million" as 1500000.  Of a list of names, such
    as ``A,B``, each item counts in its place.
    """
    found = [_judged(answer[:_MOST_CHARACTERS], gold) for gold in golds]
    return max(found, key=lambda one: (one.right, one.credit), default=Judgement(False, 0.0))


def _judged(answer: str, gold: str) -> Judgement:
    if _plain(answer) == _plain(gold) and _plain(gold):
        return Judgement(True, 1.0)
    wanted = _values(gold)
    if wanted and _NUMBER.fullmatch(_ascii(gold)):
        right = any(_equal(value, wanted[0]) for value in _last_values(answer))
        return Judgement(right, float(right))
    if _ITEMS.fullmatch(gold.strip()) and not wanted:
        return _list_judged(answer, gold)
    right = _holds(_plain(answer), gold)
    return Judgement(right, float(right))


def _list_judged(answer: str, gold: str) -> Judgement:
    wanted = [_plain(item) for item in gold.split(",")]
    given = [_plain(item) for item in answer.split(",")]
    pairs = zip_longest(wanted, given[: len(wanted)])
    credit = sum(want == item for want, item in pairs) / len(wanted)
    return Judgement(credit == 1.0 and len(given) == len(wanted), credit)


def _holds(plain: str, gold: str) -> bool:
    words, looked_for = plain.split(), _plain(gold)
    if not words or len(words) > _CONTAINING_WORDS:
        return False
    if looked_for in _VERDICTS:
        return words[0] == looked_for
    return is_checkable(gold) and f" {looked_for} " in f" {plain} "


def _last_values(answer: str) -> Sequence[float]:
    """What the answer's number can mean: that behind the last "=", else its only number."""
    end = _values(answer.rpartition("=")[2])
    numbers = [*_NUMBER.finditer(_ascii(answer.rpartition("=")[2]))]
    return end if len(numbers) == 1 else ()


def _values(text: str) -> list[float]:
    """Every value that the first number of ``text`` can have; two where it is a percentage."""
    found = _NUMBER.search(_ascii(text))
    if found is None:
        return []
    value = float(found["digits"].replace(",", "") + (found["exponent"] or ""))
    value *= _SCALES.get((found["scale"] or "").lower(), 1.0)
    value = -value if "-" in (found["sign"], found["minus"]) else value
    return [value, value / 100] if found["percent"] else [value]


def _equal(value: float, wanted: float) -> bool:
    return math.isclose(value, wanted, rel_tol=_RELATIVE, abs_tol=_TOLERANCE + 1e-9)


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("\u2212", "-").strip().rstrip(".")


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = re.findall(r"\d+(?:[.,]\d+)*|[^\W_]+", folded)
    return " ".join(word for word in words if word not in _ARTICLES)
