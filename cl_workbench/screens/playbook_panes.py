"""The three views of a playbook: its bullets, what waits for a person, and every change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from cl_workbench.screens.playbook_rows import (
    SORTS,
    Sort,
    Versions,
    bullet_facts,
    bullet_rows,
    revision_facts,
    revision_row,
)
from engines.ace.bullet import Bullet
from engines.ace.revisions import History, path
from widgets.playbook_bullets import BulletFacts, BulletList, bullet_detail
from widgets.playbook_changes import (
    RevisionList,
    RevisionRow,
    revision_detail,
    revision_heading,
)
from widgets.playbook_lines import LineList
from widgets.playbook_waiting import MOST, WaitingList, WaitingRow

EMPTY = "The playbook is empty: a writes a bullet, o opens a saved playbook, i imports a file."
NOTHING_WAITS = "Nothing waits for review."


class SearchInput(Input):
    """The words to search for; enter and the arrows go to what was found."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,down", "screen.leave_search", "To the list", show=False, id="playbook.found")
    ]


class Pane(Container):
    """A view with one part that the keys act on; ``scrolled`` is read besides."""

    scrolled: VerticalScroll

    def focus_list(self) -> None:
        """Let the keys act on what is listed."""
        raise NotImplementedError

    @property
    def scrolls(self) -> bool:
        """Whether there is more of it than is seen."""
        return self.scrolled.max_scroll_y > 0

    def scroll_detail(self, lines: int) -> None:
        """Scroll what is told of the marked one."""
        self.scrolled.scroll_relative(y=lines, animate=False)


class BulletsPane(Pane):
    """The bullets, searched and sorted, with the marked one in full."""

    def __init__(self) -> None:
        super().__init__(id="playbook-bullets", classes="playbook-pane")
        self.search = SearchInput(placeholder="words to search for", id="playbook-search")
        self.list = BulletList(widget_id="bullet-list")
        self.sort: Sort = "section"
        self._headings = Static("", classes="playbook-headings", markup=False)
        self._text = Static("", markup=False)
        self._history: History | None = None
        self._titles: Mapping[str, str] = {}
        self._facts: BulletFacts | None = None
        self.scrolled = VerticalScroll(self._text, classes="playbook-detail", can_focus=False)

    def compose(self) -> ComposeResult:
        """Search, headings and lines; the marked one."""
        self.search.display = False
        with Vertical(classes="playbook-list"):
            yield self.search
            yield self._headings
            yield self.list
        yield self.scrolled

    @property
    def marked(self) -> Bullet | None:
        """The bullet under the cursor."""
        row = self.list.marked
        return self._history.playbook.get(row.id) if row and self._history else None

    @property
    def searched(self) -> bool:
        """Whether only some bullets are shown, or words are being typed."""
        return self.search.display

    def show_history(self, history: History, titles: Mapping[str, str], marked: str = "") -> None:
        """Show the present bullets, the cursor on ``marked`` or where it was."""
        row = self.list.marked
        self._history, self._titles = history, titles
        rows = bullet_rows(history.playbook, self.sort, self.search.value)
        wanted = marked or (row.id if row else None)
        empty = f"No bullet has '{self.search.value}': esc shows all." if self.searched else EMPTY
        self.list.show_bullets(rows, self.sort == "section", wanted, empty)
        self.scrolled.display = bool(rows)
        self._draw_headings(len(rows))

    def _draw_headings(self, shown: int) -> None:
        total = len(self._history.playbook.bullets) if self._history else 0
        heading = self.list.columns.heading(self.list.size.width) if shown else ""
        said = "" if self.sort == "section" else f"   by {self.sort}"
        if self.searched and self.search.value:
            said += f"   {shown:,} of {total:,}"
        self._headings.update(Content.assemble(heading, (said, "$accent")))

    def next_sort(self) -> Sort:
        """Sort by what comes next, and return it."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self._show_again()
        return self.sort

    def begin_search(self) -> None:
        """Let words be typed."""
        self.search.display = True
        self.search.focus()

    def end_search(self) -> None:
        """Show all bullets again."""
        self.search.display = False
        self.search.value = ""
        self._show_again()
        self.focus_list()

    @on(Input.Changed)
    def _show_again(self) -> None:
        if self._history is not None:
            self.show_history(self._history, self._titles)

    @on(LineList.Moved)
    def _draw_detail(self) -> None:
        bullet, history = self.marked, self._history
        if bullet is None or history is None:
            return
        facts = bullet_facts(history, bullet, self._titles)
        if facts != self._facts:
            self._text.update(bullet_detail(facts))
            if self._facts is None or self._facts.row.id != bullet.id:
                self.scrolled.scroll_home(animate=False)
            self._facts = facts

    def on_resize(self) -> None:
        """The columns depend on the width."""
        self.call_after_refresh(self._show_again)

    def focus_list(self) -> None:
        """To the bullets."""
        self.list.focus()


class ReviewPane(Pane):
    """What waits for a person, a block each."""

    def __init__(self) -> None:
        super().__init__(id="playbook-review", classes="playbook-pane")
        self.list = WaitingList(widget_id="waiting-list")
        self._headings = Static("", classes="playbook-headings", markup=False)
        self.scrolled = self.list

    def compose(self) -> ComposeResult:
        """What to know of them, and the blocks."""
        with Vertical(classes="playbook-list"):
            yield self._headings
            yield self.list

    def show_waiting(self, rows: Sequence[WaitingRow], told: str) -> None:
        """Show what waits; ``told`` says when decisions take effect."""
        self.list.show_rows(rows)
        flagged = sum(bool(row.warnings) for row in rows)
        said = Content.styled(told or NOTHING_WAITS, "$foreground 70%")
        if flagged:
            said += Content.styled(f"  {flagged} flagged: read them with care.", "$warning")
        if len(rows) > MOST:
            said += Content(f"  The first {MOST} of {len(rows):,} are shown.")
        self._headings.update(said)

    def focus_list(self) -> None:
        """To the blocks."""
        self.list.focus()


class ChangesPane(Pane):
    """Every revision, the newest first, with what the marked one did."""

    def __init__(self) -> None:
        super().__init__(id="playbook-changes", classes="playbook-pane")
        self.list = RevisionList(widget_id="revision-list")
        self._headings = Static("", classes="playbook-headings", markup=False)
        self._text = Static("", markup=False)
        self.scrolled = VerticalScroll(self._text, classes="playbook-detail", can_focus=False)
        self._history: History | None = None
        self._titles: Mapping[str, str] = {}
        self._in_force: frozenset[int] = frozenset()
        self._versions = Versions()
        self._drawn: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        """Headings and lines; what the marked one did."""
        with Vertical(classes="playbook-list"):
            yield self._headings
            yield self.list
        yield self.scrolled

    def show_history(self, history: History, titles: Mapping[str, str]) -> None:
        """Show every revision; the cursor stays on its one, or goes with the newest."""
        self._history, self._titles = history, titles
        self._in_force = frozenset({r.number for r in path(history)} | {history.head.number})
        if self.list.other is not None and self.list.other >= history.next:
            self.list.other = None
        self.list.show_revisions(history.next, self._row_of(history))
        self._draw_headings()

    def _row_of(self, history: History) -> Callable[[int], RevisionRow]:
        in_force = self._in_force
        return lambda number: revision_row(history.revisions[number], number in in_force)

    def _draw_headings(self) -> None:
        count = self._history.next if self._history else 0
        self._headings.update(Content(revision_heading(self.list.size.width, count)))

    def mark_other(self) -> int | None:
        """Make the revision under the cursor the other end, or let it be none again."""
        marked = self.list.marked
        self.list.other = None if marked == self.list.other else marked
        self.list.refresh()
        self._draw_detail()
        return self.list.other

    @on(LineList.Moved)
    def _draw_detail(self) -> None:
        marked, history = self.list.marked, self._history
        if marked is None or history is None or marked >= history.next:
            return
        drawn = (history.revisions[marked], self.list.other)
        if self._drawn and drawn[0] is self._drawn[0] and drawn[1] == self._drawn[1]:
            return  # another revision came, and this one is as it was
        self._drawn = drawn
        facts = revision_facts(history, marked, self.list.other, self._versions, self._titles)
        self._text.update(revision_detail(facts))
        self.scrolled.scroll_home(animate=False)

    def on_resize(self) -> None:
        """The headings depend on the width."""
        self.call_after_refresh(self._draw_headings)

    def focus_list(self) -> None:
        """To the revisions."""
        self.list.focus()
