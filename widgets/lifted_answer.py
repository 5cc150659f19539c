"""An answer with the tokens marked that learned passages lifted, and those of one passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from widgets import figures
from widgets.plain_text import plain

LIFTED = "bold underline"
LOWERED = "italic strike $warning"
OF_THE_MARKED = "bold underline reverse"


@dataclass(frozen=True, slots=True)
class MovedToken:
    """A token of an answer whose logit was moved by ``amount`` nats.

    ``begin`` and ``end`` are its place in the answer, equal where it has no words of its own;
    ``passages`` are the places, in the list of passages, of those that moved it.
    """

    text: str
    amount: float
    begin: int
    end: int
    passages: tuple[int, ...] = ()


def answer_text(answer: str, tokens: Sequence[MovedToken], marked: int | None) -> Content:
    """``answer`` with what was moved in it marked; ``marked`` is one passage's place."""
    parts: list[tuple[str, str]] = []
    place = 0
    for token in sorted(tokens, key=lambda token: token.begin):
        begin = max(token.begin, place)
        if token.end <= begin or not token.amount:
            continue
        words = answer[begin : token.end]
        # White space before a word is no part of it: a mark there would look like a gap.
        begin += len(words) - len(words.lstrip())
        parts += [(answer[place:begin], ""), (answer[begin : token.end], _style(token, marked))]
        place = token.end
    parts.append((answer[place:], ""))
    safe = [(plain(text), style) for text, style in parts]
    return Content.assemble(*(part for part in safe if part[0]))


def legend(tokens: Sequence[MovedToken]) -> str:
    """How many tokens were moved, and how that is drawn."""
    lifted = sum(token.amount > 0 for token in tokens)
    lowered = sum(token.amount < 0 for token in tokens)
    said = [f"{_counted(lifted)} lifted, underlined; by the marked passage, also reversed"]
    if not lifted:
        said = []
    if lowered:
        said.append(f"{_counted(lowered)} lowered, struck through")
    return f"{'; '.join(said)}." if said else "No token of the answer was lifted or lowered."


def strongest_first(tokens: Sequence[MovedToken]) -> list[MovedToken]:
    """Each token once, where it was moved most, the most moved one first."""
    found: dict[str, MovedToken] = {}
    for token in sorted(tokens, key=lambda token: -abs(token.amount)):
        found.setdefault(token.text, token)
    return list(found.values())


def _style(token: MovedToken, marked: int | None) -> str:
    if token.amount < 0:
        return LOWERED
    return OF_THE_MARKED if marked in token.passages else LIFTED


def _counted(count: int) -> str:
    return f"{figures.count(count)} token{'' if count == 1 else 's'}"
