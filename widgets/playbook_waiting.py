"""Operations that wait for a person, a block each: what would change, and why they wait."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from widgets.plain_text import one_line, plain
from widgets.playbook_bullets import changed_lines

MOST = 60
"""As many blocks are drawn; the others follow as these are decided."""

_STEP = 3


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """One held operation; ``place`` names it.

    ``after`` is the text it would put in, ``before`` those that are there; ``told`` says it in
    words where no text changes.  ``warnings`` say what is dangerous in it, ``decided`` what a
    person said to it already, which does not show in the playbook yet.
    """

    place: Hashable
    kind: str
    target: str
    before: tuple[str, ...] = ()
    after: str = ""
    told: str = ""
    reason: str = ""
    proposed: str = ""
    why: str = ""
    warnings: tuple[str, ...] = ()
    decided: str = ""


class WaitingBlock(Static):
    """One operation."""

    def __init__(self, row: WaitingRow) -> None:
        super().__init__(waiting_text(row), markup=False)
        self.row = row

    def show_row(self, row: WaitingRow) -> None:
        """Draw it anew if it changed."""
        if row != self.row:
            self.row = row
            self.update(waiting_text(row))


class WaitingList(VerticalScroll, can_focus=True):
    """Blocks under a cursor; j reads a long block to its end before it goes to the next.

    Posts ``Moved`` when the cursor goes to another block.
    """

    DEFAULT_CSS = """
    WaitingList {
        height: 1fr;
        scrollbar-size-vertical: 1;
        & > WaitingBlock {
            height: auto;
            margin-bottom: 1;
            padding: 0 1;
            border-left: wide $border-blurred;
        }
        & > WaitingBlock.-marked { border-left: wide $border; background: $surface; }
        &:focus > WaitingBlock.-marked { border-left: wide $accent; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False, id="waiting.down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="waiting.up"),
        Binding("home,g", "end(-1)", "First", show=False, id="waiting.first"),
        Binding("end,G", "end(1)", "Last", show=False, id="waiting.last"),
    ]

    class Moved(Message):
        """The cursor is on another block."""

    def __init__(self, *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._blocks: list[WaitingBlock] = []
        self._cursor = 0

    @property
    def marked(self) -> WaitingRow | None:
        """The operation under the cursor."""
        return self._blocks[self._cursor].row if self._blocks else None

    def show_rows(self, rows: Sequence[WaitingRow]) -> None:
        """Show the first ``MOST`` of ``rows``; blocks that stay keep their place."""
        shown = {row.place: row for row in rows[:MOST]}
        marked = self.marked
        kept = [block for block in self._blocks if block.row.place in shown]
        for block in self._blocks:
            if block.row.place not in shown:
                block.remove()
        places = [block.row.place for block in kept]
        if places != list(shown)[: len(places)]:
            for block in kept:
                block.remove()
            kept, places = [], []
        for block in kept:
            block.show_row(shown[block.row.place])
        new = [WaitingBlock(row) for row in list(shown.values())[len(places) :]]
        if new:
            self.mount_all(new)
        self._blocks = [*kept, *new]
        self._follow(marked)

    def _follow(self, marked: WaitingRow | None) -> None:
        """Keep the cursor on its block, or where that was."""
        places = [block.row.place for block in self._blocks]
        if marked is not None and marked.place in places:
            self._go(places.index(marked.place), scroll=False)
        else:
            self._go(self._cursor)

    def go_on(self) -> None:
        """Go to the next block that is not decided yet, from the one under the cursor."""
        following = range(self._cursor, self._cursor + len(self._blocks))
        for place in (number % len(self._blocks) for number in following):
            if not self._blocks[place].row.decided:
                self._go(place)
                return

    def action_move(self, step: int) -> None:
        """Scroll within a block that is not seen whole, else go to the next one."""
        if not self._blocks:
            return
        block, top = self._blocks[self._cursor], self.scroll_offset.y
        region = block.virtual_region
        hidden = region.bottom - (top + self.size.height) if step > 0 else top - region.y
        if hidden > 0 and region.height > self.size.height:
            self.scroll_relative(y=step * min(hidden, _STEP), animate=False)
        else:
            self._go(self._cursor + step)

    def action_end(self, step: int) -> None:
        """Go to the first or the last block."""
        self._go(len(self._blocks) - 1 if step > 0 else 0)

    def on_click(self, event: events.Click) -> None:
        """Go to the block that was clicked."""
        if isinstance(event.widget, WaitingBlock) and event.widget in self._blocks:
            self._go(self._blocks.index(event.widget))

    def _go(self, place: int, scroll: bool = True) -> None:
        self._cursor = min(max(place, 0), max(len(self._blocks) - 1, 0))
        for index, block in enumerate(self._blocks):
            block.set_class(index == self._cursor, "-marked")
        if scroll and self._blocks:
            self.call_after_refresh(self._show, self._blocks[self._cursor])
        self.post_message(self.Moved())

    def _show(self, block: WaitingBlock) -> None:
        if block.is_attached:
            tall = block.virtual_region.height > self.size.height
            self.scroll_to_widget(block, animate=False, top=tall, force=True)


def waiting_text(row: WaitingRow) -> Content:
    """The block's lines: what, warnings, texts, who proposed it, what was decided."""
    style = _STYLES.get(row.kind, "bold")
    heading = Content.assemble(
        (f"{one_line(row.kind)} ", style), (one_line(row.target), "bold"),
    )  # fmt: skip
    if row.decided:
        heading += Content.styled(f"   {one_line(row.decided)}", "bold $accent")
    lines = [heading]
    lines += [Content.styled(f"! {one_line(text)}", "bold $warning") for text in row.warnings]
    if row.told:
        lines.append(Content(one_line(row.told)))
    if row.after and len(row.before) == 1:
        lines += changed_lines(row.before[0], row.after)
    else:
        lines += [Content.styled(f"- {plain(text)}", "$error") for text in row.before]
        lines += [Content.styled(f"+ {plain(row.after)}", "$success")] if row.after else []
    about = [("why", row.reason), ("from", row.proposed), ("held", row.why)]
    lines += [
        Content.styled(f"{name:<5}{one_line(text)}", "$foreground 60%")
        for name, text in about
        if text
    ]
    return Content("\n").join(lines)


_STYLES = {
    "ADD": "bold $success",
    "UPDATE": "bold $accent",
    "MERGE": "bold $accent",
    "TAG": "bold",
    "REMOVE": "bold $error",
}
