"""What is asked before something is done: paths, names, and whether one means it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textual.app import App

from cl_workbench.assembly import read_options
from cl_workbench.home import Home
from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.confirm import ConfirmScreen
from cl_workbench.session import Session
from cl_workbench.settings import Settings
from engines.atomic import checked_name
from engines.documents import FolderPreview, preview_folder
from engines.protocol import DocumentError, EngineError
from widgets.ledger_lines import LedgerEntry
from widgets.plain_text import fitted, one_line

NAMES_SHOWN = 5
_NAME_WIDTH = 24  # five of them make two lines of the dialog


class Requests:
    """Shows a dialog, waits for the answer, and puts the job in line.

    Each method has to run in a worker, since it waits for the person.
    """

    def __init__(self, app: App[Any], session: Session, home: Home, settings: Settings) -> None:
        self._app = app
        self._session = session
        self._home = home
        self._settings = settings

    async def learn_path(self, start: Path) -> bool:
        """Ask for a path and learn it; false if one left."""
        value = f"{start}{os.sep}"
        screen = AskTextScreen(
            "Learn a file or folder", check=path_fault, value=value, placeholder="a path"
        )
        text = await self._app.push_screen_wait(screen)
        return text is not None and await self.learn(Path(text).expanduser().absolute())

    async def learn_questions(self, path: Path) -> bool:
        """Ask for a file of questions and learn ``path`` by them; false if one left."""
        screen = AskTextScreen(
            f"Questions about {fitted(one_line(path.name), _NAME_WIDTH)}",
            check=questions_fault,
            value=f"{path.parent}{os.sep}",
            placeholder="a .jsonl file with a question and an answer on each line",
        )
        text = await self._app.push_screen_wait(screen)
        if text is None:
            return False
        self._session.learn([path], questions=Path(text).expanduser().absolute())
        return True

    async def learn(self, path: Path) -> bool:
        """Put a file in line, or a folder once one has said so; false if nothing was."""
        if await asyncio.to_thread(path.is_dir) and not await self._confirm_folder(path):
            return False
        self._session.learn([path])
        return True

    async def _confirm_folder(self, folder: Path) -> bool:
        try:
            preview = await asyncio.to_thread(preview_folder, folder, read_options(self._settings))
        except DocumentError as error:
            self._app.notify(error.reason, severity="error", markup=False)
            return False
        count = len(preview.readable)
        if count <= 1:
            return True
        screen = ConfirmScreen(
            f"Learn the {count:,} documents in {one_line(folder.name)}?",
            folder_text(folder, preview),
            f"Yes, learn {count:,} documents",
            "No, learn nothing",
        )
        confirmed = await self._app.push_screen_wait(screen)
        return confirmed

    async def forget(self, entry: LedgerEntry) -> None:
        """Ask, then take one document back."""
        screen = ConfirmScreen(
            f"Forget {one_line(entry.title)}?",
            "What was learned from it is taken back; the file stays. "
            "Learning it again takes as long as before.",
            "Yes, forget it",
        )
        if await self._app.push_screen_wait(screen):
            self._session.forget(entry.id)

    async def reset(self, count: int) -> None:
        """Ask, then forget everything."""
        documents = f"{count} learned document{'s are' if count != 1 else ' is'}"
        what = documents if count else "the playbook's bullets are"
        screen = ConfirmScreen(
            "Forget everything?",
            f"The model becomes the base model again: {what} taken back. What was saved stays.",
            "Yes, forget everything",
        )
        if await self._app.push_screen_wait(screen):
            self._session.reset()

    async def save(self) -> None:
        """Ask for a name and save under it; a name in use is confirmed."""
        folder = await ask_checkpoint(self._app, self._home)
        if folder is not None:
            self._session.save(folder)


async def ask_checkpoint(app: App[Any], home: Home) -> Path | None:
    """The folder to save in, by a name that is typed; a name in use is confirmed."""
    screen = AskTextScreen(
        "Save what was learned", check=name_fault, placeholder="a name, such as harbour-1"
    )
    name = await app.push_screen_wait(screen)
    if name is None:
        return None
    folder = home.checkpoint(name)
    if folder.exists():
        replace = ConfirmScreen(
            f"Replace {name}?", "What was saved under this name is lost.", "Yes, replace it"
        )
        if not await app.push_screen_wait(replace):
            return None
    return folder


def folder_text(folder: Path, preview: FolderPreview) -> str:
    """What of ``folder`` would be learned and what is left out, by their first names."""
    paragraphs = [_names(folder, preview.readable)]
    if preview.failed:
        paths = [path for path, _ in preview.failed]
        paragraphs.append(f"{len(paths):,} can't be read: {_names(folder, paths)}")
    failed = set(preview.failed)
    others = [path for path, reason in preview.left_out if (path, reason) not in failed]
    if others:
        paragraphs.append(f"{len(others):,} left out: {_names(folder, others)}")
    paragraphs.append("They are learned one after the other; esc stops and keeps those done.")
    return "\n".join(paragraphs)


def _names(folder: Path, paths: Sequence[Path]) -> str:
    shown = [_name_below(folder, path) for path in paths[:NAMES_SHOWN]]
    more = f" and {len(paths) - NAMES_SHOWN:,} more" if len(paths) > NAMES_SHOWN else ""
    return f"{', '.join(shown)}{more}."


def _name_below(folder: Path, path: Path) -> str:
    name = str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name
    return fitted(one_line(name), _NAME_WIDTH)


def path_fault(text: str) -> str | None:
    """One sentence if ``text`` names nothing that exists."""
    try:
        exists = Path(text).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        exists = False
    return None if exists else "There is no such file or folder; check its spelling."


def questions_fault(text: str) -> str | None:
    """One sentence if ``text`` is no file that can hold questions."""
    if fault := path_fault(text):
        return fault
    path = Path(text).expanduser()
    if not path.is_file() or path.suffix != ".jsonl":
        return "Questions come in a .jsonl file: a question and an answer on each line."
    return None


def name_fault(text: str) -> str | None:
    """One sentence if ``text`` can't be a checkpoint's name."""
    try:
        checked_name(text, "checkpoint name")
    except EngineError as error:
        return str(error)
    return None
