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
    ``cited`` are start and end of each part of ``text`` that the answer rests on.  ``biased``
    are tokens that it had raised before the answer began, ``moved`` those of the answer that
    it lifted or lowered, the strongest first.
    """

    title: str
    number: int
    text: str
    score: float
    reference: int | None = None
    cited: tuple[tuple[int, int], ...] = ()
    biased: tuple[BiasedToken, ...] = ()
    moved: tuple[BiasedToken, ...] = ()


@dataclass(frozen=True, slots=True)
class Columns:
    """What the rows tell besides rank, score and passage: only what differs among them.

    ``number`` is the width, in digits, of the passages' numbers.
    """

    place: bool
    lifts: bool
    cited: bool = False
    number: int = 1

    @classmethod
    def of(cls, rows: Sequence[PassageRow]) -> Columns:
        """The places where any is in the context, how many tokens each lifts where any does."""
        return cls(
            any(row.reference for row in rows),
            any(row.moved for row in rows),
            any(row.cited for row in rows),
            max((len(f"{row.number:,}") for row in rows), default=1),
        )

    @property
    def heading(self) -> str:
        """The columns in words."""
        place, lifts = "place, " if self.place else "", "tokens lifted, " if self.lifts else ""
        return f"rank, score, {place}{lifts}passage:"


class PassageList(OptionList):
    """A row for each passage, under a cursor."""

    DEFAULT_CSS = "PassageList { border: none; text-wrap: nowrap; text-overflow: ellipsis; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="passages.down"),
        Binding("k", "cursor_up", "Up", show=False, id="passages.up"),
    ]

    def __init__(self, rows: Sequence[PassageRow], *, widget_id: str | None = None) -> None:
        self.rows = tuple(rows)
        columns = Columns.of(self.rows)
        super().__init__(
            *(Option(_row(rank, row, columns)) for rank, row in enumerate(self.rows, start=1)),
            id=widget_id,
            markup=False,
        )

    @property
    def marked(self) -> PassageRow | None:
        """The passage under the cursor."""
        return None if self.highlighted is None else self.rows[self.highlighted]


def passage_text(row: PassageRow) -> Content:
    """What the passage moved, then the whole of it under its title, the cited parts marked."""
    place = f"[{row.reference}] in the context" if row.reference else "not in the context"
    heading = Content.assemble(
        (f"{one_line(row.title)}, passage {row.number:,}", "bold $success"),
        (f"   {place}", "$foreground 70%"),
    )
    lines = [heading]
    for said, tokens in (
        ("Lifted by it", [token for token in row.moved if token.amount > 0]),
        ("Lowered by it", [token for token in row.moved if token.amount < 0]),
        ("Biased by it", row.biased),
    ):
        if tokens:
            lines.append(Content.styled(f"{said}: {biased(tokens)}", "$accent"))
    return Content("\n").join([*lines, _marked(row)])


def biased(tokens: Sequence[BiasedToken]) -> str:
    """Tokens with the nats that their logits were moved by, as in ``lamp +1.50 nats``."""
    shown = [f"{_token(token.text)} {_nats(token.amount)}" for token in tokens[:MAX_TOKENS]]
    more = len(tokens) - len(shown)
    return f"{', '.join(shown)} nats" + (f" and {more:,} more" if more else "")


def _row(rank: int, row: PassageRow, columns: Columns) -> Content:
    place = f"[{row.reference}]" if row.reference else _LEFT_OUT
    style = "bold $accent" if row.reference else "$foreground 60%"
    lifted = sum(token.amount > 0 for token in row.moved)
    return Content.assemble(
        (f"{rank:>2}  {figures.number(row.score, 3):>7}  ", "$foreground 80%"),
        (f"{place:<{len(_LEFT_OUT)}}  ", style) if columns.place else "",
        (f"{f'lifts {lifted}' if lifted else figures.ABSENT:<8}  ", "bold" if lifted else "")
        if columns.lifts
        else "",
        (f"passage {row.number:>{columns.number},}  ", "$foreground 70%"),
        (f"{'cited' if row.cited else '':<5}  ", "bold $success") if columns.cited else "",
        one_line(row.title),  # last: a long one must not hide what tells the passages apart
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


def _nats(amount: float) -> str:
    return f"{amount:+.2f}" if abs(amount) >= 0.1 else f"{amount:+.1g}"


def _token(text: str) -> str:
    said = one_line(text)
    if any(character.isalnum() for character in said):
        return said
    return f'"{said}"' if said else repr(text)
