"""The playbook: its bullets, what waits for a person, and every change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Footer, Static

from cl_workbench import engine_jobs, playbook_jobs
from cl_workbench.home import Home
from cl_workbench.screens import playbook_keys
from cl_workbench.screens.help import HelpScreen
from cl_workbench.screens.overlays import Sheet
from cl_workbench.screens.playbook_changing import Deciding, Writing
from cl_workbench.screens.playbook_filing import Filing
from cl_workbench.screens.playbook_head import Head
from cl_workbench.screens.playbook_panes import BulletsPane, ChangesPane, Pane, ReviewPane
from cl_workbench.screens.playbook_view import PlaybookView
from cl_workbench.screens.playbook_waits import waiting_row
from cl_workbench.session import Session
from engines.ace.operations import Operation
from engines.ace.review import Pending, pending
from engines.ace.revisions import History, Place, redoable, undoable
from widgets.plain_text import one_line
from widgets.playbook_bar import ViewBar
from widgets.playbook_lines import LineList
from widgets.playbook_waiting import WaitingList

LOOKS_PER_SECOND = 4
CRAMPED, SIDE_BY_SIDE = 56, 110
TOO_NARROW = f"This screen needs {CRAMPED} columns: make the window wider, or leave with esc."
WAIT = "A document is being learned: wait until that is over, or cancel it (esc, then esc again)."
NO_PLAYBOOK = "There is no playbook yet: the model is being loaded, or the engine keeps none."
_LIVE = "y accepts, n rejects: it takes effect before the next question."
_CHANGES_IT = frozenset({"add", "edit", "remove", "revert", "branch", "undo", "redo", "import"})


class PlaybookScreen(Sheet[None]):
    """The playbook, live while it is learned.

    Args:
        session: what changes the playbook.
        home: where playbooks are saved.
        view: gives the playbook as it is now; asked a few times a second.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *playbook_keys.REVIEW, *playbook_keys.BULLETS, *playbook_keys.CHANGES, *playbook_keys.ALL,
    ]  # fmt: skip
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-cramped"), (CRAMPED, "-stacked"), (SIDE_BY_SIDE, "-beside"),
    ]  # fmt: skip
    AUTO_FOCUS = "#bullet-list"

    def __init__(self, session: Session, home: Home, view: Callable[[], PlaybookView]) -> None:
        super().__init__()
        self._session = session
        self._view = view
        self._home = home
        self._now = PlaybookView(None)
        self._waiting: tuple[Pending, ...] = ()
        self._undone: tuple[bool, bool] = (False, False)
        self._told = ""
        self._bar = ViewBar()
        self._head = Head()
        self._bullets, self._review, self._changes = BulletsPane(), ReviewPane(), ChangesPane()
        self._panes: tuple[Pane, ...] = (self._bullets, self._review, self._changes)
        self._stale = {0, 1, 2}

    def compose(self) -> ComposeResult:
        """Title, facts, views, state, keys."""
        yield Static("", classes="sheet-title", markup=False)
        yield Static("", classes="sheet-about", markup=False)
        yield self._bar
        with Container(id="playbook-panes"):
            yield from self._panes
        yield Static(Content(TOO_NARROW), id="too-narrow", markup=False)
        yield Static("", classes="sheet-state", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Look at the playbook, now and again and again."""
        self._filing = Filing(self.app, self._home, self._change, self._tell)
        self._writing = Writing(self.app, self._change)
        self._deciding = Deciding(self.app, self._session, self._tell)
        self._show_pane(0)
        self._look()
        self.set_interval(1 / LOOKS_PER_SECOND, self._look)
        if self._now.history is not None:
            self._find_file(self._now.history)
        else:
            self._tell(NO_PLAYBOOK)

    # Looking

    def _look(self) -> None:
        """Draw what changed since the last time."""
        before, self._now = self._now, self._view()
        if self._now == before and self._now.history is before.history:
            return
        if before.learning and not self._now.learning:
            self._deciding.decisions.clear()
            if self._told == WAIT:
                self._tell("")
        history = self._now.history
        if history is not None and history is not before.history:
            self._follow(history)
        elif before.learning != self._now.learning or before.titles != self._now.titles:
            self._stale = {0, 1, 2}
        self._draw()
        if self._now.learning != before.learning or history is not before.history:
            self.refresh_bindings()

    def _follow(self, history: History) -> None:
        self._waiting = pending(history)
        faults = self._deciding.decisions.follow(history, [held.place for held in self._waiting])
        if faults:
            self._tell(f"It can't be applied: {faults[0]}.")
        self._undone = (undoable(history) is not None, redoable(history) is not None)
        self._stale = {0, 1, 2}

    @work(exclusive=True, group="file")
    async def _find_file(self, history: History) -> None:
        await self._filing.look(history)
        self._draw_head()

    def _draw(self) -> None:
        """The head, and of the views only the one that is seen."""
        self._draw_head()
        history, index = self._now.history, self._bar.active
        if history is None or index not in self._stale:
            return
        self._stale.discard(index)
        if index == 0:
            self._bullets.show_history(history, self._now.titles)
        elif index == 1:
            self._draw_waiting(history)
        else:
            self._changes.show_history(history, self._now.titles)

    def _draw_waiting(self, history: History) -> None:
        titles, said_of = self._now.titles, self._deciding.decisions.said_of
        rows = [
            waiting_row(held, history.playbook, titles, self._said(said_of(held.place)))
            for held in self._waiting
        ]
        told = "y accepts, n rejects." if not self._now.learning else _LIVE
        self._review.show_waiting(rows, told if rows else "")

    def _said(self, said: str) -> str:
        if not said:
            return ""
        return f"{said}, before the next question" if self._now.learning else f"{said}…"

    def _draw_head(self) -> None:
        history = self._now.history
        name = self._filing.name_of(history) if history else None
        unsaved = self._filing.unsaved(history) if history else None
        self._head.look(self._now, name, unsaved, len(self._waiting))
        self.query_one(".sheet-title", Static).update(self._head.title)
        self.query_one(".sheet-about", Static).update(self._head.about)
        self._bar.tabs = self._head.tabs

    # Views

    def _show_pane(self, index: int) -> None:
        for place, pane in enumerate(self._panes):
            pane.display = place == index
        self._bar.active = index
        self._draw()
        self._panes[index].focus_list()
        self.refresh_bindings()

    def action_pane(self, index: int) -> None:
        """Show a view."""
        self._show_pane(index)

    def action_turn(self, step: int) -> None:
        """Show the next view, or the one before."""
        self._show_pane((self._bar.active + step) % len(self._panes))

    @on(ViewBar.Chosen)
    def _chosen(self, event: ViewBar.Chosen) -> None:
        self._show_pane(event.index)

    @on(LineList.Moved)
    @on(WaitingList.Moved)
    def _moved(self) -> None:
        self.refresh_bindings()

    def action_scroll(self, lines: int) -> None:
        """Scroll what is told of the marked one."""
        self._panes[self._bar.active].scroll_detail(lines)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done in this view now."""
        index = self._bar.active
        if any(action in actions for place, actions in enumerate(playbook_keys.OF_PANE)
               if place != index):  # fmt: skip
            return False
        conditions = {
            "edit": self._bullets.list.marked is not None,
            "remove": self._bullets.list.marked is not None,
            "accept": bool(self._waiting),
            "reject": bool(self._waiting),
            "amend": bool(self._waiting),
            "accept_all": len(self._waiting) > 1,
            "reject_all": len(self._waiting) > 1,
            "undo": self._undone[0],
            "redo": self._undone[1],
            "scroll": self._panes[index].scrolls,
            "leave_search": self._bullets.searched,
        }
        if self._now.history is None and action in {*_CHANGES_IT, "write", "open", "export"}:
            return False
        return conditions.get(action, True)

    def action_search(self) -> None:
        """Type words to search for."""
        self._bullets.begin_search()

    def action_leave_search(self) -> None:
        """Go to what was found; without words, to all."""
        if self._bullets.search.value.strip():
            self._bullets.focus_list()
        else:
            self._bullets.end_search()

    def action_sort(self) -> None:
        """Sort the bullets by what comes next."""
        self._tell(f"Sorted by {self._bullets.next_sort()}.")

    def action_help(self) -> None:
        """Show the keys."""
        groups = [
            ("Bullets", playbook_keys.BULLETS),
            ("Review", playbook_keys.REVIEW),
            ("Changes", playbook_keys.CHANGES),
            ("Playbook", playbook_keys.ALL),
        ]
        self.app.push_screen(HelpScreen(groups))

    def action_leave(self) -> None:
        """End the search, or go back."""
        if self._bar.active == 0 and self._bullets.searched:
            self._bullets.end_search()
        else:
            self.dismiss(None)

    # Changing bullets

    def _change(self, change: engine_jobs.Change) -> None:
        """Hand ``change`` to the engine thread, unless that learns."""
        if self._view().learning:
            self._tell(WAIT)
        else:
            self._tell("")
            self._session.change_playbook(change)

    def _may_change(self) -> bool:
        if self._now.learning:
            self._tell(WAIT)
        return not self._now.learning

    @work(exclusive=True, group="dialog")
    async def action_add(self) -> None:
        """Write a bullet."""
        history, marked = self._now.history, self._bullets.marked
        if history is not None and self._may_change():
            await self._writing.add(history.playbook, marked.section if marked else "strategies")

    @work(exclusive=True, group="dialog")
    async def action_edit(self) -> None:
        """Change the text of the marked bullet."""
        bullet = self._bullets.marked
        if bullet is not None and self._may_change():
            await self._writing.edit(bullet)

    @work(exclusive=True, group="dialog")
    async def action_remove(self) -> None:
        """Remove the marked bullet, after asking."""
        bullet = self._bullets.marked
        if bullet is not None and self._may_change():
            await self._writing.remove(bullet)

    # Deciding

    def _marked_waiting(self) -> Pending | None:
        row = self._review.list.marked
        return next((h for h in self._waiting if row and h.place == row.place), None)

    def action_accept(self) -> None:
        """Accept the marked operation."""
        if (held := self._marked_waiting()) is not None:
            self._decide({held.place: None})

    def action_reject(self) -> None:
        """Reject the marked operation."""
        if (held := self._marked_waiting()) is not None:
            self._decide({}, (held.place,))

    @work(exclusive=True, group="dialog")
    async def action_amend(self) -> None:
        """Change the text of the marked operation, then accept it."""
        held = self._marked_waiting()
        if held is not None and (edited := await self._deciding.amended(held)) is not None:
            self._decide({held.place: edited})

    @work(exclusive=True, group="dialog")
    async def action_accept_all(self) -> None:
        """Accept everything that waits, after asking."""
        waiting = self._waiting
        if await self._deciding.may_accept(waiting):
            self._decide(dict.fromkeys((held.place for held in waiting), None))

    @work(exclusive=True, group="dialog")
    async def action_reject_all(self) -> None:
        """Reject everything that waits, after asking."""
        waiting = self._waiting
        if await self._deciding.may_reject(waiting):
            self._decide({}, [held.place for held in waiting])

    def _decide(
        self, accept: Mapping[Place, Operation | None], reject: Collection[Place] = ()
    ) -> None:
        history = self._now.history
        if history and self._deciding.decide(history, self._waiting, accept, reject):
            self._draw_waiting(history)
            self._review.list.go_on()

    # Going through the changes

    def action_undo(self) -> None:
        """Take the last change back."""
        self._change(playbook_jobs.undo)

    def action_redo(self) -> None:
        """Take the last undo back."""
        self._change(playbook_jobs.redo)

    def action_mark(self) -> None:
        """Make the marked revision the other end of the diff."""
        other = self._changes.mark_other()
        told = f"Revision {other} is marked: move, to see what lies between; m on it unmarks it."
        self._tell(told if other is not None else "")

    def action_revert(self) -> None:
        """Make the playbook what it was at the marked revision."""
        number = self._changes.list.marked
        if number is not None:
            self._change(lambda engine: playbook_jobs.revert(engine, number))

    def action_branch(self) -> None:
        """Go on from the marked revision."""
        number = self._changes.list.marked
        if number is not None:
            self._change(lambda engine: playbook_jobs.branch(engine, number))

    # Files

    @work(exclusive=True, group="dialog")
    async def action_write(self) -> None:
        """Save the playbook under a name."""
        if self._now.history is not None and self._may_change():
            await self._filing.save(self._now.history)
            self._draw_head()

    @work(exclusive=True, group="dialog")
    async def action_open(self) -> None:
        """Open a saved playbook, rename or delete one."""
        if self._now.history is not None and self._may_change():
            await self._filing.open(self._now.history)
            self._draw_head()

    @work(exclusive=True, group="dialog")
    async def action_export(self) -> None:
        """Write the playbook into a Markdown file."""
        if self._now.history is not None:
            await self._filing.export(self._now.history)

    @work(exclusive=True, group="dialog")
    async def action_import(self) -> None:
        """Add the bullets of a file."""
        if self._may_change():
            await self._filing.take_in()

    def _tell(self, text: str) -> None:
        self._told = text
        self.query_one(".sheet-state", Static).update(Content(one_line(text)))
