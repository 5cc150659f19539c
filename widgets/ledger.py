"""What was learned, in order, with what it brought and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from widgets import figures
from widgets.plain_text import fitted, one_line


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One learned document; losses in nats per token."""

    id: str
    title: str
    tokens: int
    loss_before: float
    loss_after: float
    held_out_before: float | None = None
    held_out_after: float | None = None

    @property
    def held_out_change(self) -> float | None:
        """The relative change of the held-out loss."""
        return figures.relative_change(self.held_out_after, self.held_out_before)


class Ledger(OptionList):
    """The learned documents, two lines each; the highlighted one can be forgotten."""

    DEFAULT_CSS = "Ledger { border: none; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="ledger.down"),
        Binding("k", "cursor_up", "Up", show=False, id="ledger.up"),
    ]

    def __init__(self, *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id, markup=False)
        self._entries: tuple[LedgerEntry, ...] = ()

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """What is shown, in the order of learning."""
        return self._entries

    @property
    def highlighted_entry(self) -> LedgerEntry | None:
        """The entry under the cursor."""
        if self.highlighted is None or self.highlighted >= len(self._entries):
            return None
        return self._entries[self.highlighted]

    def show_entries(self, entries: Sequence[LedgerEntry]) -> None:
        """Replace the list; the cursor stays where it was, or goes to a new last entry."""
        grown = len(entries) > len(self._entries)
        cursor = self.highlighted
        self._entries = tuple(entries)
        self._draw()
        if self._entries:
            last = len(self._entries) - 1
            self.highlighted = last if grown or cursor is None else min(cursor, last)

    def on_resize(self) -> None:
        """Titles are cut to the new width."""
        cursor = self.highlighted
        self._draw()
        self.highlighted = cursor

    def _draw(self) -> None:
        width = max(self.scrollable_content_region.width - 2, 12)
        options = [Option(_lines(n, e, width)) for n, e in enumerate(self._entries, start=1)]
        if not options:
            options = [Option(_EMPTY, disabled=True)]
        self.set_options(options)


_EMPTY = Content.styled("Nothing learned yet.", "$foreground 60%")


def _lines(position: int, entry: LedgerEntry, width: int) -> Content:
    change = entry.held_out_change
    losses = f"{figures.number(entry.loss_before)} → {figures.number(entry.loss_after)}"
    cost = (
        f"{figures.signed_percent(change)} {figures.verdict(change)}" if change is not None else ""
    )
    rest = f"  {figures.count(entry.tokens)} tok"
    title = fitted(one_line(entry.title), width - 3)
    parts: list[tuple[str, str]] = [(f"{position:>2} ", "$foreground 60%"), (title, "bold")]
    parts += [("\n   ", ""), (losses, "$success")]
    if len(losses) + len(rest) + len(cost) + 5 <= width:
        parts.append((rest, "$foreground 70%"))
    if cost:
        parts.append((f"  {cost}", "$warning" if figures.is_risky(change) else "$foreground 70%"))
    return Content.assemble(*parts)
