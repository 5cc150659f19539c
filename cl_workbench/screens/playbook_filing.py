"""Saving, opening, exporting and importing the playbook, off the loop of the screen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.app import App

from cl_workbench import engine_jobs, playbook_jobs
from cl_workbench.home import Home
from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.confirm import ConfirmScreen
from cl_workbench.screens.exporting import ask_file
from cl_workbench.screens.playbook_disk import SavedAs, file_fault, name_fault, saved_as
from cl_workbench.screens.playbook_files import PlaybookFilesScreen
from engines.ace import files
from engines.ace.exporting import markdown
from engines.ace.importing import read_file
from engines.ace.revisions import History
from engines.atomic import write_atomically
from engines.protocol import EngineError

EXPORTS = "exports"


class Filing:
    """Asks for names and paths, does the work, and tells in one sentence what came of it.

    Each method has to run in a worker, since it waits for the person.

    Args:
        app: shows the dialogs.
        home: where playbooks and exports are.
        change: hands a change to the engine thread, or tells why that can't be now.
        tell: shows one sentence.
    """

    def __init__(
        self,
        app: App[Any],
        home: Home,
        change: Callable[[engine_jobs.Change], None],
        tell: Callable[[str], None],
    ) -> None:
        self._app = app
        self._home = home
        self._change = change
        self._tell = tell
        self._saved: SavedAs | None = None

    async def look(self, history: History) -> None:
        """Find the file that ``history`` was saved in."""
        self._saved = await asyncio.to_thread(saved_as, self._home.playbooks, history)

    def unsaved(self, history: History) -> int | None:
        """How many revisions are not in its file; None if it is in none."""
        return self._saved.unsaved(history) if self._saved else None

    def name_of(self, history: History) -> str | None:
        """The name that it was saved under; None if it was not."""
        known = self._saved is not None and self._saved.unsaved(history) is not None
        return self._saved.name if known and self._saved else None

    async def save(self, history: History) -> None:
        """Save under a name; another playbook of that name is asked about."""
        name = self.name_of(history)
        dialog = AskTextScreen(
            "Save the playbook as", check=name_fault, value=name or "", placeholder="a name"
        )
        chosen = await self._app.push_screen_wait(dialog)
        if chosen is None:
            return
        folder = self._home.playbooks
        replaced = chosen != name and files.path_of(folder, chosen).exists()
        if replaced:
            replace = ConfirmScreen(
                f"Replace {chosen}?",
                "There is a playbook of that name already; it would be lost with its revisions.",
                "Yes, replace it",
            )
            if not await self._app.push_screen_wait(replace):
                return
        try:
            path = await asyncio.to_thread(files.save, folder, chosen, history, overwrite=replaced)
        except EngineError as error:
            self._tell(str(error))
            return
        self._saved = SavedAs(chosen, history.head)
        self._tell(f"Saved as {chosen} in {path.parent}.")

    async def open(self, history: History) -> None:
        """Choose a saved playbook and put it in the place of this one."""
        unsaved = self.unsaved(history)
        lost = ""
        if unsaved is None and history.next > 1:
            lost = "This playbook was not saved and would be lost: leave with esc, w saves it."
        elif unsaved:
            changes = "1 change" if unsaved == 1 else f"{unsaved:,} changes"
            lost = f"{changes} since the last save would be lost: leave with esc, w saves first."
        screen = PlaybookFilesScreen(self._home.playbooks, self.name_of(history), lost)
        name = await self._app.push_screen_wait(screen)
        if name is None:
            await self.look(history)  # it may have another name now
            return
        try:
            opened = await asyncio.to_thread(files.load, self._home.playbooks, name)
        except EngineError as error:
            self._tell(str(error))
            return
        self._saved = SavedAs(name, opened.head)
        self._change(lambda engine: playbook_jobs.open_saved(engine, opened, name))

    async def export(self, history: History) -> None:
        """Write the bullets into a Markdown file."""
        name = self.name_of(history) or "playbook"
        title = "Export the playbook (.md)"
        exports = self._home.root / EXPORTS
        path = await ask_file(self._app, title, exports, f"{name}.md", (".md",))
        if path is None:
            return
        try:
            await asyncio.to_thread(write_atomically, path, markdown(history.playbook, name))
        except EngineError as error:
            self._tell(str(error))
        else:
            count = len(history.playbook.bullets)
            self._tell(f"Wrote {count:,} bullet{'' if count == 1 else 's'} to {path}.")

    async def take_in(self) -> None:
        """Add the bullets of a file to the playbook."""
        dialog = AskTextScreen(
            "Import bullets from a file (Markdown or a playbook's JSON)",
            check=file_fault,
            placeholder="a path",
        )
        text = await self._app.push_screen_wait(dialog)
        if text is None:
            return
        path = Path(text).expanduser()
        try:
            imported = await asyncio.to_thread(read_file, path)
        except EngineError as error:
            self._tell(str(error))
        else:
            self._change(lambda engine: playbook_jobs.take_in(engine, imported, path.name))
