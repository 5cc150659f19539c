"""Choosing one of several: a saved state to open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option


class ChooseScreen(ModalScreen[str | None]):
    """A list of names; ``empty`` is said where there are none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", id="choose.leave"),
        Binding("j", "move(1)", "Down", show=False, id="choose.down"),
        Binding("k", "move(-1)", "Up", show=False, id="choose.up"),
    ]

    def __init__(self, title: str, names: Sequence[str], *, empty: str) -> None:
        super().__init__(classes="dialog")
        self._title = title
        self._names = tuple(names)
        self._empty = empty

    def compose(self) -> ComposeResult:
        """Title and list."""
        with Vertical():
            yield Static(Content(self._title), classes="dialog-title", markup=False)
            if self._names:
                yield OptionList(*(Option(Content(name)) for name in self._names), markup=False)
            else:
                yield Static(Content(self._empty), markup=False)
            yield Static(Content("enter to open   esc to leave"), classes="dialog-keys")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Choose the name."""
        self.dismiss(self._names[event.option_index])

    def action_move(self, direction: int) -> None:
        """Move the cursor as j and k do elsewhere."""
        for options in self.query(OptionList):
            if direction > 0:
                options.action_cursor_down()
            else:
                options.action_cursor_up()

    def action_leave(self) -> None:
        """Choose nothing."""
        self.dismiss(None)
