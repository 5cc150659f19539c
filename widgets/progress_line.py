"""The progress of the work in one line, for when its pane is not on screen."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from widgets import figures
from widgets.meter import bar
from widgets.plain_text import fitted, one_line


class ProgressLine(Widget):
    """What is being done, how far it is, and how long it takes yet."""

    DEFAULT_CSS = "ProgressLine { height: 1; width: 1fr; padding: 0 1; }"

    title: reactive[str] = reactive("")
    place: reactive[str] = reactive("")
    fraction: reactive[float] = reactive(0.0)
    seconds_left: reactive[float | None] = reactive(None)

    def render(self) -> Content:
        """Title, which of several, bar, share and time left in the width there is."""
        width = self.content_size.width
        left = figures.duration(self.seconds_left) if self.seconds_left is not None else ""
        end = f" {figures.percent(self.fraction):>4} {left}".rstrip()
        title = fitted(one_line(self.title), max(width // 3, 8))
        place = f"  {one_line(self.place)}" if self.place else ""
        room = max(width - Content(title + place).cell_length - len(end) - 2, 4)
        return Content.assemble((title, "bold"), place, "  ", bar(self.fraction, room), end)
