"""Asking before something is lost."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from cl_workbench.screens.overlays import Dialog


class ConfirmScreen(Dialog[bool]):
    """A question with what follows from yes; the cursor stands on no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="confirm.yes"),
        Binding("n,escape", "answer(False)", "No", id="confirm.no"),
    ]

    def __init__(self, question: str, consequence: str, yes: str, no: str = "No, keep it") -> None:
        super().__init__()
        self._question = question
        self._consequence = consequence
        self._yes = yes
        self._no = no

    def compose(self) -> ComposeResult:
        """Question, consequence, two answers."""
        with Vertical():
            yield Static(Content(self._question), classes="dialog-title", markup=False)
            yield Static(Content(self._consequence), markup=False)
            yield OptionList(
                Option(Content(self._no), id="no"),
                Option(Content(self._yes), id="yes"),
                markup=False,
            )
            yield Static(Content("y yes   n or esc no"), classes="dialog-keys", markup=False)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Answer with the option."""
        self.dismiss(event.option_id == "yes")

    def action_answer(self, answer: bool) -> None:
        """Answer with the key."""
        self.dismiss(answer)
