"""A list of single lines under a cursor that draws only what is seen, however long it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual


@dataclass(frozen=True, slots=True)
class Lines:
    """What a list shows: ``line`` draws the line of an index for a width in cells.

    The cursor never stands on one of ``headings``.
    """

    count: int
    line: Callable[[int, int], Content]
    headings: frozenset[int] = frozenset()


NO_LINES = Lines(0, lambda index, width: Content())


class LineList(ScrollView, can_focus=True):
    """Lines under a cursor; j, k, g and G move as the arrows, home and end do.

    Posts ``Moved`` when the cursor goes to another line.
    """

    DEFAULT_CSS = """
    LineList {
        height: 1fr;
        overflow-x: hidden;
        text-wrap: nowrap;
        text-overflow: ellipsis;
        scrollbar-size-vertical: 1;
        & > .line-list--cursor {
            color: $block-cursor-blurred-foreground;
            background: $block-cursor-blurred-background;
        }
        &:focus > .line-list--cursor {
            color: $block-cursor-foreground;
            background: $block-cursor-background;
        }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"line-list--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False, id="lines.down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="lines.up"),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False, id="lines.page_down"),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False, id="lines.page_up"),
        Binding("home,g", "end(-1)", "First", show=False, id="lines.first"),
        Binding("end,G", "end(1)", "Last", show=False, id="lines.last"),
    ]

    @dataclass
    class Moved(Message):
        """The cursor went to another line, or there is another line under it."""

        lines: LineList

    cursor: reactive[int | None] = reactive(None)

    def __init__(self, empty: str = "", *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._lines = NO_LINES
        self._empty = empty

    def show_lines(self, lines: Lines, cursor: int | None = None, empty: str = "") -> None:
        """Show other lines with the cursor at ``cursor``, or as near to it as there is one."""
        before = self.cursor
        self._lines, self._empty = lines, empty or self._empty
        self.virtual_size = Size(1, max(lines.count, 1))
        self.set_reactive(LineList.cursor, self._nearest(cursor or 0))
        self.refresh()
        if self.cursor != before:  # else one may have scrolled away from it, to read
            self.call_after_refresh(self._show_cursor)
        self.post_message(self.Moved(self))

    def _nearest(self, index: int, step: int = 1) -> int | None:
        """The line at ``index``, or the next one in the direction of ``step`` that is no heading,
        else the next in the other direction."""
        last = self._lines.count - 1
        if last < 0:
            return None
        start = min(max(index, 0), last)
        ways = (range(start, last + 1), range(start, -1, -1))
        for way in ways if step > 0 else ways[::-1]:
            for place in way:
                if place not in self._lines.headings:
                    return place
        return None

    def watch_cursor(self, before: int | None, after: int | None) -> None:
        """Draw both lines anew."""
        for place in (before, after):
            if place is not None:
                self.refresh_line(place)
        self._show_cursor()
        self.post_message(self.Moved(self))

    def _show_cursor(self) -> None:
        if self.cursor is None:
            return
        # The heading above the first line of a section is shown with it.
        above = 1 if self.cursor - 1 in self._lines.headings else 0
        region = Region(0, self.cursor - above, 1, 1 + above)
        self.scroll_to_region(region, animate=False, force=True, x_axis=False)

    def action_move(self, step: int) -> None:
        """Go to the next line, or the one before."""
        if self.cursor is None:
            return
        place = self._nearest(self.cursor + step, step)
        if place is not None and (place - self.cursor) * step > 0:
            self.cursor = place

    def action_page(self, step: int) -> None:
        """Go as many lines as are seen."""
        if self.cursor is not None:
            self.cursor = self._nearest(self.cursor + step * max(self.size.height - 1, 1), step)

    def action_end(self, step: int) -> None:
        """Go to the first or the last line."""
        self.cursor = self._nearest(self._lines.count - 1 if step > 0 else 0, -step)

    def on_click(self, event: events.Click) -> None:
        """Go to the line that was clicked."""
        place = self.scroll_offset.y + event.get_content_offset_capture(self).y
        if 0 <= place < self._lines.count and place not in self._lines.headings:
            self.cursor = place

    @property
    def _room(self) -> int:
        """The width in cells beside the scroll bar."""
        return self.scrollable_content_region.width

    def render_line(self, y: int) -> Strip:
        """Draw one line, or what is said where there is none."""
        width, index = self._room, self.scroll_offset.y + y
        if not self._lines.count:
            said = Content.styled(self._empty, "$foreground 60%").wrap(max(width - 1, 1))
            return self._strip(Content(" ") + said[index], "") if index < len(said) else self._gap()
        if index >= self._lines.count:
            return self._gap()
        style = "line-list--cursor" if index == self.cursor else ""
        return self._strip(self._lines.line(index, width), style)

    def _strip(self, content: Content, component: str) -> Strip:
        style = self.get_visual_style(component) if component else self.visual_style
        strips = Visual.to_strips(
            self, content, self._room, 1, style, pad=True, apply_selection=False
        )
        return strips[0] if strips else self._gap()

    def _gap(self) -> Strip:
        return Strip.blank(self._room, self.rich_style)
