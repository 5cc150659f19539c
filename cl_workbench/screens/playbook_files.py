"""The saved playbooks: opening, renaming and deleting one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Footer, OptionList, Static

from cl_workbench.commands.table import time_text
from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.confirm import ConfirmScreen
from cl_workbench.screens.overlays import Sheet
from cl_workbench.screens.playbook_disk import name_fault
from engines.ace import files
from engines.ace.files import SavedPlaybook
from engines.protocol import EngineError
from widgets import figures
from widgets.plain_text import one_line
from widgets.record_table import Record, RecordColumn, RecordTable

COLUMNS = (
    RecordColumn("NAME", least=16),
    RecordColumn("WHEN"),
    RecordColumn("BULLETS", right=True),
    RecordColumn("REVISIONS", right=True, drop=2),
    RecordColumn("WAITING", right=True),
    RecordColumn("SIZE", right=True, drop=1),
)


class PlaybookFilesScreen(Sheet[str | None]):
    """A table of saved playbooks; returns the name of the one to open, or None.

    Args:
        folder: where they are.
        present: the name of the one that is open, if it was saved.
        lost: one sentence on what opening another one would lose; empty if nothing.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", id="playbooks.open", priority=True,
                tooltip="Open the marked playbook in place of the present one"),
        Binding("r", "rename", "rename", id="playbooks.rename", tooltip="Give it another name"),
        Binding("d,x,delete", "delete", "delete", id="playbooks.delete",
                tooltip="Delete it, after asking"),
        Binding("escape", "leave", "leave", id="playbooks.leave", tooltip="Go back"),
    ]  # fmt: skip
    AUTO_FOCUS = "RecordOptions"

    def __init__(self, folder: Path, present: str | None, lost: str) -> None:
        super().__init__()
        self._folder = folder
        self._present = present
        self._lost = lost
        self._found: list[SavedPlaybook] = []
        self._table = RecordTable(COLUMNS, "No playbook is saved yet: esc leaves, then w saves.")

    def compose(self) -> ComposeResult:
        """Title, table, state, keys."""
        yield Static(Content("Saved playbooks"), classes="sheet-title", markup=False)
        yield self._table
        yield Static("", classes="sheet-state", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """List what there is."""
        self._list(self._present)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done with the marked one."""
        marked = self._marked
        if action in {"open", "rename", "delete"} and marked is None:
            return False
        return marked.fault is None if action == "open" and marked is not None else True

    @property
    def _marked(self) -> SavedPlaybook | None:
        cursor = self._table.cursor
        return self._found[cursor] if cursor is not None and cursor < len(self._found) else None

    @work(exclusive=True, group="listing")
    async def _list(self, name: str | None = None) -> None:
        """Read the folder; the cursor goes to ``name``, or stays."""
        try:
            self._found = await asyncio.to_thread(files.listing, self._folder)
        except EngineError as error:
            self._tell(str(error))
            return
        names = [saved.name for saved in self._found]
        self._table.show_records(
            [Record(_cells(s), s.fault or "", s.name == self._present) for s in self._found],
            names.index(name) if name in names else None,
        )
        self.refresh_bindings()

    @on(OptionList.OptionHighlighted)
    def _highlighted(self) -> None:
        self.refresh_bindings()

    @work(exclusive=True, group="dialog")
    async def action_rename(self) -> None:
        """Give the marked one another name."""
        saved = self._marked
        if saved is None:
            return
        dialog = AskTextScreen(
            f"Rename {one_line(saved.name)}", check=name_fault, value=one_line(saved.name)
        )
        name = await self.app.push_screen_wait(dialog)
        if name is None or name == saved.name:
            return
        done = await self._do(
            lambda: files.rename(self._folder, saved.name, name), f"It is {name} now.", name
        )
        if done and self._present == saved.name:
            self._present = name

    @work(exclusive=True, group="dialog")
    async def action_delete(self) -> None:
        """Delete the marked one, after asking."""
        saved = self._marked
        if saved is None:
            return
        dialog = ConfirmScreen(
            f"Delete {one_line(saved.name)}?",
            "The file with all its revisions is lost; the playbook that is open stays.",
            "Yes, delete it",
        )
        if await self.app.push_screen_wait(dialog):
            await self._do(lambda: files.delete(self._folder, saved.name), f"Deleted {saved.name}.")

    async def _do(self, change: Callable[[], object], told: str, name: str | None = None) -> bool:
        try:
            await asyncio.to_thread(change)
        except EngineError as error:
            self._tell(str(error))
            return False
        self._tell(told)
        self._list(name)
        return True

    @on(OptionList.OptionSelected)
    @work(exclusive=True, group="dialog")
    async def action_open(self) -> None:
        """Open the marked one; what would be lost is asked about."""
        saved = self._marked
        if saved is None or saved.fault is not None:
            return
        if self._lost:
            dialog = ConfirmScreen(f"Open {one_line(saved.name)}?", self._lost, "Yes, open it")
            if not await self.app.push_screen_wait(dialog):
                return
        self.dismiss(saved.name)

    def action_leave(self) -> None:
        """Go back."""
        self.dismiss(None)

    def _tell(self, text: str) -> None:
        self.query_one(".sheet-state", Static).update(Content(one_line(text)))


def _cells(saved: SavedPlaybook) -> tuple[str, ...]:
    if saved.fault:
        return (saved.name, figures.ABSENT, "", "", "", figures.size(saved.bytes))
    return (
        saved.name,
        time_text(saved.saved_at),
        figures.count(saved.bullets),
        figures.count(saved.revisions),
        figures.count(saved.pending),
        figures.size(saved.bytes),
    )
