"""Finding the JSON in what a model wrote around it.

Only faults that leave no doubt about what was meant are repaired: a comma before a closing
bracket, and a cut at the end, where what was not finished is dropped rather than guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from engines.language_models.thinking import without_thinking

_LONGEST = 200_000  # characters; no role answers more
_DEPTH = 64
_CUTS = 8  # unfinished lists and objects that are left out, from the innermost
_STARTS = 20  # brackets in prose that are tried as the beginning of the answer
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|["{}\[\]]', re.DOTALL)
_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)
_LITERAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")

Repair = Literal["none", "commas", "end"]


@dataclass(frozen=True, slots=True)
class Found:
    """One JSON value in an answer, and what had to be repaired to read it."""

    value: Any
    repair: Repair = "none"


def candidates(text: str) -> Iterator[Found]:
    """Every JSON object or array in ``text``, in the order in which to believe them.

    Whole ones come first, the last that was written before the earlier ones, since models
    think aloud before they answer; then what repairs give; then what stands inside of a
    value that was never closed.
    """
    answer = without_thinking(text)[:_LONGEST].lstrip("\ufeff")
    if not answer:
        return
    spans = _spans(answer)
    for start, end in reversed(spans.whole):
        yield from _read(answer[start:end], "none")
    for start, end in reversed(spans.whole):
        mended = _COMMA.sub(lambda match: match[1] or "", answer[start:end])
        if mended != answer[start:end]:
            yield from _read(mended, "commas")
    if spans.open_at is not None:
        for ended in closed(answer[spans.open_at :]):
            yield from _read(ended, "end")
    for start, end in reversed(spans.inner):
        yield from _read(answer[start:end], "none")


@dataclass(slots=True)
class _Spans:
    whole: list[tuple[int, int]] = field(default_factory=list)
    open_at: int | None = None
    inner: list[tuple[int, int]] = field(default_factory=list)


def _spans(text: str) -> _Spans:
    """Where brackets open and close again outside of strings, and where one stays open."""
    spans = _Spans()
    at = 0
    for _ in range(_STARTS):
        start = _next_start(text, at)
        if start is None:
            break
        end = _end_of(text, start)
        if end is not None:
            (spans.whole if spans.open_at is None else spans.inner).append((start, end))
        elif spans.open_at is None:
            spans.open_at = start
        at = start + 1 if end is None else end
    return spans


def _next_start(text: str, at: int) -> int | None:
    found = [i for sign in "{[" if (i := text.find(sign, at)) >= 0]
    return min(found) if found else None


def _end_of(text: str, start: int) -> int | None:
    """The index behind the bracket that closes the one at ``start``, None if none does."""
    depth = 0
    for match in _BRACKET.finditer(text, start):
        sign = match[0]
        if sign in ("{", "["):
            depth += 1
        elif sign in ("}", "]"):
            depth -= 1
            if depth == 0:
                return match.end()
        elif sign == '"':
            return None
    return None


def _read(text: str, repair: Repair) -> Iterator[Found]:
    if not text or _too_deep(text):
        return
    try:
        value = json.loads(text, strict=False, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):  # no JSON, a number of any length, half a character
        return
    yield Found(value, repair)


def _too_deep(text: str) -> bool:
    depth = 0
    for sign in re.findall(r"[{}\[\]]", _STRING.sub("", text)):
        depth += 1 if sign in "{[" else -1
        if depth > _DEPTH:
            return True
    return False


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def closed(text: str) -> Iterator[str]:
    """``text`` up to a value that was finished, with its open brackets closed.

    First all that was finished, then without the innermost list or object that was not, and
    so on outwards; nothing where nothing was finished or where the brackets do not match.
    """
    ends: dict[int, tuple[int, str]] = {}  # by depth: where a value ended, what would close it
    for end, open_brackets in _finished_values(text):
        depth = len(open_brackets)
        if depth > _DEPTH:
            return
        for deeper in [at for at in ends if at > depth]:
            del ends[deeper]
        ends[depth] = (end, "".join(reversed(open_brackets)))
    for depth in sorted(ends, reverse=True)[:_CUTS]:
        end, closing = ends[depth]
        yield text[:end] + closing


def _finished_values(text: str) -> Iterator[tuple[int, list[str]]]:
    """Where each value ends, and what is to close the brackets that are open there."""
    open_brackets: list[str] = []
    expects_key = False
    for match in _TOKEN.finditer(text):
        sign = match[0]
        if sign in ("{", "["):
            open_brackets.append("}" if sign == "{" else "]")
            expects_key = sign == "{"
        elif sign in ("}", "]"):
            if not open_brackets or open_brackets.pop() != sign:
                return
            yield match.end(), open_brackets
        elif sign == ",":
            expects_key = bool(open_brackets) and open_brackets[-1] == "}"
        elif sign == ":":
            expects_key = False
        elif sign == '"':
            return  # the rest is inside a text that was never closed
        elif not expects_key and _is_finished(sign, match.end() == len(text)):
            yield match.end(), open_brackets


def _is_finished(sign: str, at_end: bool) -> bool:
    """Whether a value is whole: a number at the very end might have gone on."""
    if sign.startswith('"'):
        return True
    return _LITERAL.fullmatch(sign) is not None and not (at_end and sign[-1].isdigit())
