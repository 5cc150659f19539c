"""Passages that were retrieved, the best first, and one of them in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from widgets import figures
from widgets.plain_text import one_line, plain

MAX_TOKENS = 12
CITED = "bold reverse"
_LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class BiasedToken:
    """A token whose logit was moved by ``amount`` nats."""

    text: str
    amount: float


@dataclass(frozen=True, slots=True)
class PassageRow:
    """One passage: ``number`` counts those of its document from 1.

    ``reference`` is the [n] that it has in the context, None if it was left out of it;
    ``cited`` are start and end of each part of ``text`` that the answer rests on.
    """

    title: str
    number: int
    text: str
    score: float
    reference: int | None = None
    cited: tuple[tuple[int, int], ...] = ()
    biased: tuple[BiasedToken, ...] = ()


class PassageList(OptionList):
    """A row for each passage, under a cursor."""

    DEFAULT_CSS = "PassageList { border: none; text-wrap: nowrap; text-overflow: ellipsis; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="passages.down"),
        Binding("k", "cursor_up", "Up", show=False, id="passages.up"),
    ]

    def __init__(self, rows: Sequence[PassageRow], *, widget_id: str | None = None) -> None:
        self.rows = tuple(rows)
        super().__init__(
            *(Option(_row(rank, row)) for rank, row in enumerate(self.rows, start=1)),
            id=widget_id,
            markup=False,
        )

    @property
    def marked(self) -> PassageRow | None:
        """The passage under the cursor."""
        return None if self.highlighted is None else self.rows[self.highlighted]


def passage_text(row: PassageRow) -> Content:
    """The whole passage under its title, the cited parts marked, and what it biased."""
    place = f"[{row.reference}] in the context" if row.reference else "left out of the context"
    heading = Content.assemble(
        (f"{one_line(row.title)}, passage {row.number:,}", "bold $success"),
        (f"   {place}", "$foreground 70%"),
    )
    lines = [heading, _marked(row)]
    if row.biased:
        lines += [Content(), Content.styled(f"Biased by it: {biased(row.biased)}", "$accent")]
    return Content("\n").join(lines)


def biased(tokens: Sequence[BiasedToken]) -> str:
    """Tokens with the nats that their logits were moved by, as in ``lamp +1.50 nats``."""
    shown = [f"{_token(token.text)} {token.amount:+.2f}" for token in tokens[:MAX_TOKENS]]
    more = len(tokens) - len(shown)
    return f"{', '.join(shown)} nats" + (f" and {more:,} more" if more else "")


def _row(rank: int, row: PassageRow) -> Content:
    place = f"[{row.reference}]" if row.reference else _LEFT_OUT
    style = "bold $accent" if row.reference else "$foreground 60%"
    return Content.assemble(
        (f"{rank:>2}  {figures.number(row.score, 3):>7}  ", "$foreground 80%"),
        (f"{place:<{len(_LEFT_OUT)}}  ", style),
        one_line(row.title),
        (f", passage {row.number:,}", "$foreground 70%"),
        ("  cited", "bold $success") if row.cited else "",
    )


def _marked(row: PassageRow) -> Content:
    """The text with its cited parts marked; making it safe first would move the places."""
    parts: list[tuple[str, str]] = []
    place = 0
    for begin, end in sorted(row.cited):
        start = max(begin, place)
        if end > start:
            parts += [(plain(row.text[place:start]), ""), (plain(row.text[start:end]), CITED)]
            place = end
    parts.append((plain(row.text[place:]), ""))
    return Content.assemble(*(part for part in parts if part[0]))


def _token(text: str) -> str:
    return one_line(text) or repr(text)
