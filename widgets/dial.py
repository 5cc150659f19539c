"""The engine's dial, for the mouse; the keys are ``[`` and ``]``."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

_DOWN = "[ − ]"
_UP = "[ + ]"


class Dial(Widget):
    """Where the dial stands, between two places to click; hidden where there is none."""

    DEFAULT_CSS = "Dial { height: 1; width: auto; margin-left: 1; }"

    reading: reactive[str | None] = reactive(None, layout=True)

    @dataclass
    class Turned(Message):
        """The dial was clicked: ``direction`` is −1 or 1."""

        direction: int

    def watch_reading(self, reading: str | None) -> None:
        """Hide the dial where there is nothing to dial."""
        self.display = reading is not None

    @property
    def _value(self) -> str:
        return f" {self.reading} "

    def render(self) -> Content:
        """Draw the two places and the reading between them."""
        return Content.assemble((_DOWN, "$accent"), (self._value, "bold"), (_UP, "$accent"))

    def on_click(self, event: events.Click) -> None:
        """Turn down at the left, up at the right."""
        event.stop()
        if event.x < len(_DOWN):
            self.post_message(self.Turned(-1))
        elif event.x >= len(_DOWN) + len(self._value):
            self.post_message(self.Turned(1))
