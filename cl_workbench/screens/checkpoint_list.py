"""The saved states: opening, saving, renaming, deleting, and holding two against each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.notifications import SeverityLevel
from textual.widgets import Footer, OptionList, Static

from cl_workbench.home import Home
from cl_workbench.messages import StreamEnded
from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.confirm import ConfirmScreen
from cl_workbench.screens.overlays import Sheet
from cl_workbench.screens.requests import ask_checkpoint, name_fault
from cl_workbench.screens.saved_details import comparison_text, details_text, saved_cells
from cl_workbench.streams import Streams
from engines import catalogue
from engines.catalogue import Saved
from engines.protocol import Engine, EngineError
from widgets.plain_text import one_line
from widgets.record_table import Record, RecordColumn, RecordTable

SIDE_BY_SIDE = 140
COLUMNS = (
    RecordColumn("NAME", least=16),
    RecordColumn("WHEN"),
    RecordColumn("DOCS", right=True),
    RecordColumn("α", right=True),
    RecordColumn("MODEL", least=12, drop=1),
    RecordColumn("SIZE", right=True),
)
_ON_ONE = frozenset({"open", "rename", "delete", "compare"})


class CheckpointsScreen(Sheet[str | None]):
    """A table of saved states with the marked one's documents; returns the name to open, or None.

    Args:
        streams: saves on the engine thread.
        home: where saved states are.
        learned: how many documents are learned now.
        learns: whether a document is being learned, or in line to be, at the moment of asking.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", id="saved.open", priority=True,
                tooltip="Open the marked state in place of the present one"),
        Binding("s", "save", "save the present", id="saved.save",
                tooltip="Save what is learned now under a name"),
        Binding("r", "rename", "rename", id="saved.rename", tooltip="Give it another name"),
        Binding("c", "compare", "compare", id="saved.compare",
                tooltip="Mark this one, then another, and see how they differ"),
        Binding("d", "delete", "delete", id="saved.delete", tooltip="Delete it, after asking"),
        Binding("escape", "leave", "leave", id="saved.leave", tooltip="Go back"),
    ]  # fmt: skip
    HORIZONTAL_BREAKPOINTS = [(0, "-stacked"), (SIDE_BY_SIDE, "-beside")]  # noqa: RUF012
    AUTO_FOCUS = "RecordOptions"

    def __init__(
        self, streams: Streams, home: Home, learned: int, learns: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._streams = streams
        self._home = home
        self._learned = learned
        self._learns = learns
        self._found: list[Saved] = []
        self._first: str | None = None
        self._shown: str | None = None  # the name whose row the panel belongs to
        empty = "s saves what is learned now." if learned else "esc leaves, then l learns."
        self._table = RecordTable(COLUMNS, f"Nothing is saved yet: {empty}")
        self._detail = Static("", markup=False)

    def compose(self) -> ComposeResult:
        """Title, table, the marked state, state, keys."""
        yield Static(Content("Saved states"), classes="sheet-title", markup=False)
        with Container(id="saved"):
            yield self._table
            with VerticalScroll(id="saved-detail", can_focus=True):
                yield self._detail
        yield Static("", classes="sheet-state", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """List what there is."""
        self._list()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done with the marked one."""
        marked = self._marked
        if action in _ON_ONE and marked is None:
            return False
        if action in {"open", "compare", "rename"} and marked is not None:
            return marked.fault is None
        return self._learned > 0 if action == "save" else True

    @property
    def _marked(self) -> Saved | None:
        cursor = self._table.cursor
        return self._found[cursor] if cursor is not None and cursor < len(self._found) else None

    # Listing

    @work(exclusive=True, group="listing")
    async def _list(self, name: str | None = None) -> None:
        """Read the folder; the cursor goes to ``name``, or stays."""
        try:
            found = await asyncio.to_thread(catalogue.listing, self._home.checkpoints)
        except EngineError as error:
            self._tell(str(error))
            return
        self._found, self._shown = found, None
        names = [saved.name for saved in found]
        self._draw(names.index(name) if name in names else None)
        self._show_details()

    def _draw(self, cursor: int | None = None) -> None:
        self._table.show_records(
            [
                Record(saved_cells(saved), saved.fault or "", saved.name == self._first)
                for saved in self._found
            ],
            cursor,
        )
        self.refresh_bindings()

    @on(OptionList.OptionHighlighted)
    def _highlighted(self) -> None:
        self.refresh_bindings()
        if self._marked is not None and self._marked.name != self._shown:
            self._show_details()

    @work(exclusive=True, group="details")
    async def _show_details(self) -> None:
        saved = self._marked
        self.query_one("#saved-detail").display = saved is not None
        self._shown = saved.name if saved is not None else None
        if saved is not None:
            folder = self._home.checkpoints / saved.name
            self._show(details_text(await asyncio.to_thread(catalogue.details, folder)))

    def _show(self, text: Content) -> None:
        self._detail.update(text)
        self.query_one("#saved-detail", VerticalScroll).scroll_home(animate=False)

    # Two of them

    def action_compare(self) -> None:
        """Mark one, or hold the marked one against this."""
        saved = self._marked
        if saved is None:
            return
        first, self._first = self._first, None
        if first is None:
            self._first = saved.name
            self._tell(f"Marked {saved.name}: move to another one and press c.")
        elif first == saved.name:
            self._tell("")
        else:
            self._shown = saved.name
            self._compare(first, saved.name)
        self._draw()

    @work(exclusive=True, group="details")
    async def _compare(self, first: str, second: str) -> None:
        folders = (self._home.checkpoints / first, self._home.checkpoints / second)
        try:
            comparison = await asyncio.to_thread(catalogue.compare, *folders)
        except EngineError as error:
            self._tell(str(error))
        else:
            self._show(comparison_text(comparison))
            self._tell(f"{first} held against {second}; tab goes to the panel, to scroll it.")

    # Changing

    @work(exclusive=True, group="dialog")
    async def action_save(self) -> None:
        """Save what is learned now, and list it."""
        folder = await ask_checkpoint(self.app, self._home)
        if folder is None:
            return
        app = self.app
        self._tell(f"Saving {folder.name}…")

        def ended(event: StreamEnded) -> None:
            told = event.failure or f"Saved as {folder.name}."
            if self in app.screen_stack:
                self._tell(told)
                self._list(folder.name)
            else:  # the list was left while the save waited for the engine
                severity: SeverityLevel = "error" if event.failure else "information"
                app.notify(told, severity=severity, markup=False)

        self._streams.start(lambda engine: _saving(engine, folder), _ignore, ended, work="other")

    @work(exclusive=True, group="dialog")
    async def action_rename(self) -> None:
        """Give the marked one another name."""
        saved = self._marked
        if saved is None:
            return
        dialog = AskTextScreen(f"Rename {saved.name}", check=name_fault, value=saved.name)
        name = await self.app.push_screen_wait(dialog)
        if name is None or name == saved.name:
            return
        root = self._home.checkpoints
        await self._do(lambda: catalogue.rename(root, saved.name, name), f"It is {name} now.", name)

    @work(exclusive=True, group="dialog")
    async def action_delete(self) -> None:
        """Delete the marked one, after asking."""
        saved = self._marked
        if saved is None:
            return
        dialog = ConfirmScreen(
            f"Delete {one_line(saved.name)}?",
            "What was saved under this name is lost; what is learned now stays.",
            "Yes, delete it",
        )
        if await self.app.push_screen_wait(dialog):
            folder = self._home.checkpoints / saved.name
            await self._do(lambda: catalogue.delete(folder), f"Deleted {saved.name}.")

    async def _do(self, change: Callable[[], object], done: str, name: str | None = None) -> None:
        try:
            await asyncio.to_thread(change)
        except EngineError as error:
            self._tell(str(error))
        else:
            self._first = None
            self._tell(done)
        self._list(name)

    # Leaving

    def action_open(self) -> None:
        """Open the marked one."""
        self._open()

    @on(OptionList.OptionSelected)
    def _selected(self) -> None:
        self._open()

    @work(exclusive=True, group="dialog")
    async def _open(self) -> None:
        saved = self._marked
        if saved is None or saved.fault is not None:
            return
        if (fault := name_fault(saved.name)) is not None:
            self._tell(fault)  # a folder that was named by other means
            return
        learns = self._learns()
        if self._learned or learns:
            lost = (
                "what is learned now, and of what is still being learned"
                if learns
                else ("what is learned now")
            )
            dialog = ConfirmScreen(
                f"Open {saved.name}?",
                f"It takes the place of {lost}; save that first if you need it.",
                "Yes, open it",
            )
            if not await self.app.push_screen_wait(dialog):
                return
        self.dismiss(saved.name)

    def action_leave(self) -> None:
        """Go back."""
        self.dismiss(None)

    def _tell(self, text: str) -> None:
        self.query_one(".sheet-state", Static).update(Content(one_line(text)))


def _saving(engine: Engine, folder: Path) -> Iterator[object]:
    engine.save(folder)
    yield folder.name


def _ignore(_value: object) -> None:
    """The end of the stream says all."""
