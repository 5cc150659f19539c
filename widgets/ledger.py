"""What was learned, in order, with what it brought and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from widgets.ledger_lines import EMPTY, LedgerEntry, lines_of


class Ledger(OptionList):
    """The learned documents, two lines each or three with all that is known of them.

    The highlighted one can be forgotten and, where ``keeps_apart``, muted and moved: the
    list shows that at once and posts ``Mute`` or ``Move``.
    """

    DEFAULT_CSS = "Ledger { border: none; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="ledger.down"),
        Binding("k", "cursor_up", "Up", show=False, id="ledger.up"),
        Binding(
            "M,space", "mute", "mute", id="ledger.mute", key_display="M",
            tooltip="Leave the marked document out of the model, or take it in again",
        ),
        Binding("K", "move(-1)", "Move up", show=False, id="ledger.move_up",
                tooltip="Move the marked document up"),
        Binding("J", "move(1)", "Move down", show=False, id="ledger.move_down",
                tooltip="Move the marked document down"),
    ]  # fmt: skip

    @dataclass
    class Mute(Message):
        """A document should be left out of the model, or taken in again."""

        document_id: str
        muted: bool

    @dataclass
    class Move(Message):
        """A document should be put at ``position``, from 0."""

        document_id: str
        position: int

    def __init__(self, *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id, markup=False)
        self._entries: tuple[LedgerEntry, ...] = ()
        self.keeps_apart = False

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
        """Replace the list; the cursor stays with its document, or goes to a new last one."""
        grown = len(entries) > len(self._entries)
        marked, cursor = self.highlighted_entry, self.highlighted
        self._entries = tuple(entries)
        self._draw()
        if not self._entries:
            return
        last = len(self._entries) - 1
        places = {entry.id: place for place, entry in enumerate(self._entries)}
        if grown or cursor is None or marked is None:
            self.highlighted = last
        else:
            self.highlighted = places.get(marked.id, min(cursor, last))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Muting and moving need an engine that keeps documents apart."""
        if action in {"mute", "move"}:
            return self.keeps_apart and bool(self._entries)
        return True

    def action_mute(self) -> None:
        """Mute the marked document, or take it in again."""
        marked = self.highlighted_entry
        if marked is None:
            return
        changed = replace(marked, muted=not marked.muted)
        self.show_entries([changed if e is marked else e for e in self._entries])
        self.post_message(self.Mute(changed.id, changed.muted))

    def action_move(self, direction: int) -> None:
        """Move the marked document up or down by one."""
        marked, cursor = self.highlighted_entry, self.highlighted
        if marked is None or cursor is None or not 0 <= cursor + direction < len(self._entries):
            return
        entries = list(self._entries)
        entries.insert(cursor + direction, entries.pop(cursor))
        self.show_entries(entries)
        self.post_message(self.Move(marked.id, cursor + direction))

    def on_resize(self) -> None:
        """Titles are cut to the new width."""
        cursor = self.highlighted
        self._draw()
        self.highlighted = cursor

    def _draw(self) -> None:
        width = max(self.scrollable_content_region.width - 2, 12)
        options = [Option(lines_of(n, e, width)) for n, e in enumerate(self._entries, start=1)]
        if not options:
            options = [Option(EMPTY, disabled=True)]
        self.set_options(options)
