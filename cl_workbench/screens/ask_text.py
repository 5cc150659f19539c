"""Asking for one line of text: a path, a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from cl_workbench.screens.overlays import Dialog

Check = Callable[[str], str | None]


class AskTextScreen(Dialog[str | None]):
    """A line to type; ``check`` returns one sentence where the text can't be used.

    ``empty`` says what enter does without a text, where that is allowed; it returns an empty one.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", id="ask.leave"),
    ]

    def __init__(
        self, title: str, *, check: Check, value: str = "", placeholder: str = "", empty: str = ""
    ) -> None:
        super().__init__()
        self._title = title
        self._check = check
        self._value = value
        self._placeholder = placeholder
        self._empty = empty

    def compose(self) -> ComposeResult:
        """Title, line, fault."""
        with Vertical():
            yield Static(Content(self._title), classes="dialog-title", markup=False)
            yield Input(self._value, placeholder=self._placeholder, select_on_focus=False)
            yield Static(classes="dialog-fault", markup=False)
            alone = f"   enter alone {self._empty}" if self._empty else ""
            keys = f"enter to go on{alone}   esc to leave"
            yield Static(Content(keys), classes="dialog-keys", markup=False)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        missing = None if self._empty else "Type something, or leave with esc."
        fault = self._check(text) if text else missing
        if fault is None:
            self.dismiss(text)
        else:
            self.query_one(".dialog-fault", Static).update(Content(fault))

    @on(Input.Changed)
    def _changed(self) -> None:
        self.query_one(".dialog-fault", Static).update("")

    def action_leave(self) -> None:
        """Leave without a text."""
        self.dismiss(None)
