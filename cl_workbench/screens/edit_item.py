"""Writing a study item: what is asked, and what should be answered."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from cl_workbench.screens.overlays import Dialog
from widgets.plain_text import one_line


class EditItemScreen(Dialog[tuple[str, str] | None]):
    """Two lines to type, prompt and answer; returns both, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", id="edit_item.leave",
                tooltip="Leave the item as it was"),
        Binding("down", "app.focus_next", "Next line", show=False, id="edit_item.down"),
        Binding("up", "app.focus_previous", "Line before", show=False, id="edit_item.up"),
    ]  # fmt: skip

    def __init__(self, title: str, prompt: str = "", answer: str = "") -> None:
        super().__init__()
        self._title = title
        self._before = (prompt, answer)

    def compose(self) -> ComposeResult:
        """Title, two lines, fault."""
        prompt, answer = (one_line(text) for text in self._before)
        with Vertical():
            yield Static(Content(self._title), classes="dialog-title", markup=False)
            yield Static(Content("Question or beginning of the sentence"), markup=False)
            yield Input(prompt, id="item-prompt", select_on_focus=False)
            yield Static(Content("Answer or rest of the sentence"), markup=False)
            yield Input(answer, id="item-answer", select_on_focus=False)
            yield Static(classes="dialog-fault", markup=False)
            yield Static(
                Content("enter keeps it   tab to the other line   esc to leave"),
                classes="dialog-keys",
                markup=False,
            )

    @on(Input.Submitted)
    def _submitted(self) -> None:
        prompt, answer = (self._typed(index) for index in range(2))
        if prompt and answer:
            self.dismiss((prompt, answer))
            return
        empty = "#item-answer" if prompt else "#item-prompt"
        self.query_one(empty, Input).focus()
        if prompt and not self._before[1]:
            return  # enter after the prompt of a new item goes to its answer
        self.query_one(".dialog-fault", Static).update("Neither line may be empty.")

    def _typed(self, index: int) -> str:
        """The text typed; one that was only shown on one line stays as it was."""
        name = ("#item-prompt", "#item-answer")[index]
        typed = self.query_one(name, Input).value.strip()
        return self._before[index] if typed == one_line(self._before[index]) else typed

    @on(Input.Changed)
    def _changed(self) -> None:
        self.query_one(".dialog-fault", Static).update("")

    def action_leave(self) -> None:
        """Leave without an item."""
        self.dismiss(None)
