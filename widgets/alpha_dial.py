"""The dial of α, for the mouse; the keys are ``[`` and ``]``."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from widgets import figures

_DOWN = "[ − ]"
_UP = "[ + ]"


class AlphaDial(Widget):
    """α as a number between two places to click; hidden where an engine has no α."""

    DEFAULT_CSS = "AlphaDial { height: 1; width: 18; margin-left: 1; }"

    alpha: reactive[float | None] = reactive(None)

    @dataclass
    class Turned(Message):
        """The dial was clicked: ``direction`` is −1 or 1."""

        direction: int

    def watch_alpha(self, alpha: float | None) -> None:
        """Hide the dial where there is nothing to dial."""
        self.display = alpha is not None

    def render(self) -> Content:
        """Draw the two places and the number between them."""
        value = f" α {figures.number(self.alpha)} "
        return Content.assemble((_DOWN, "$accent"), (value, "bold"), (_UP, "$accent"))

    def on_click(self, event: events.Click) -> None:
        """Turn down at the left, up at the right."""
        event.stop()
        if event.x < len(_DOWN):
            self.post_message(self.Turned(-1))
        elif event.x >= len(_DOWN) + len(f" α {figures.number(self.alpha)} "):
            self.post_message(self.Turned(1))
