"""The views of the playbook by number, the one that is seen marked."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static


@dataclass(frozen=True, slots=True)
class ViewTab:
    """A view, how many there are in it, and whether they ask for a person."""

    name: str
    count: int = 0
    urgent: bool = False

    @property
    def text(self) -> str:
        """What stands in the bar, without the number."""
        return f"{self.name} {self.count:,}"


class ViewBar(Static):
    """One line with a name for each view; a click posts ``Chosen``."""

    DEFAULT_CSS = "ViewBar { height: 1; padding: 0 1; }"

    @dataclass
    class Chosen(Message):
        """The view of that index was clicked."""

        index: int

    tabs: reactive[tuple[ViewTab, ...]] = reactive(())
    active: reactive[int] = reactive(0)

    def render(self) -> Content:
        """The names, three cells apart."""
        return Content("   ").join(
            Content.assemble(
                (f" {number} ", "bold $accent" if number - 1 == self.active else "$foreground 50%"),
                (tab.name, "bold" if number - 1 == self.active else "$foreground 70%"),
                (
                    f" {tab.count:,} ",
                    "bold $warning" if tab.urgent and tab.count else "$foreground 60%",
                ),
            ).stylize("on $panel" if number - 1 == self.active else "")
            for number, tab in enumerate(self.tabs, start=1)
        )

    def on_click(self, event: events.Click) -> None:
        """Say which name was clicked."""
        start = 1
        for index, tab in enumerate(self.tabs):
            end = start + cell_len(tab.text) + 4
            if start <= event.x < end:
                self.post_message(self.Chosen(index))
                return
            start = end + 3
