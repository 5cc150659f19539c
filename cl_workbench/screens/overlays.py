"""The screens that lie over the workbench: each closes itself and never what lies below."""

from __future__ import annotations

from typing import ClassVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen, ScreenResultType


class Dialog(ModalScreen[ScreenResultType]):
    """A small question over what is seen."""

    def __init__(self) -> None:
        super().__init__(classes="dialog")

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Close with ``result``; does nothing once it is closed.

        A key that is pressed twice quickly reaches the dialog twice, the second time after
        it was closed, and Textual would then close the screen below.
        """
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()


class Sheet(Screen[ScreenResultType]):
    """A screen of its own over the workbench; F1 shows its keys, which its footer may cut off."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1,question_mark", "help", "help", show=False, id="sheet.help", key_display="F1",
                tooltip="Show the keys"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__(classes="sheet")

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Close with ``result``; does nothing once it is closed, as with a dialog."""
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()

    def action_help(self) -> None:
        """Show the keys of this screen."""
        from cl_workbench.screens.help import HelpScreen  # it is a dialog itself

        self.app.push_screen(HelpScreen([("This screen", [*type(self).BINDINGS, *Sheet.BINDINGS])]))
