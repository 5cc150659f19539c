"""Playbooks on disk as the screen needs them: which file this one is, and what is at a path."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from engines.ace import files
from engines.ace.playbook import PlaybookError
from engines.ace.revisions import History, Revision
from engines.atomic import checked_name
from engines.protocol import EngineError


@dataclass(frozen=True, slots=True)
class SavedAs:
    """The name that a playbook was saved under, and the last revision that is in the file."""

    name: str
    last: Revision

    def unsaved(self, history: History) -> int | None:
        """How many revisions came since; None if ``history`` is another playbook."""
        number = self.last.number
        if number >= history.next or not _same(history.revisions[number], self.last):
            return None
        return history.head.number - number


def saved_as(folder: Path, history: History) -> SavedAs | None:
    """The file in ``folder`` that holds ``history``, or most of it so far; None if none does."""
    found: SavedAs | None = None
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == files.SUFFIX)
    except OSError:
        return None
    for path in paths:
        try:
            there = files.load(folder, path.stem)
        except (PlaybookError, EngineError):
            continue  # the list of files tells what is wrong with it
        if _begins_with(history, there) and (found is None or found.last.number < there.next - 1):
            found = SavedAs(path.stem, there.head)
    return found


def _begins_with(history: History, there: History) -> bool:
    if len(there.revisions) > len(history.revisions):
        return False
    pairs = zip(there.revisions, history.revisions, strict=False)
    return all(_same(a, b) for a, b in pairs)


def _same(one: Revision, other: Revision) -> bool:
    """Whether they are one revision; its score may have been written down later."""
    return one is other or replace(one, score=None) == replace(other, score=None)


def name_fault(text: str) -> str | None:
    """One sentence if ``text`` can't be a playbook's name."""
    try:
        checked_name(text, "playbook name")
    except EngineError as error:
        return str(error)
    return None


def file_fault(text: str) -> str | None:
    """One sentence if there is no file at the path ``text``."""
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            return "This is a folder; name a file in it."
        return None if path.is_file() else "There is no such file; check its spelling."
    except (OSError, RuntimeError, ValueError):
        return "This can't be a path; type another one."
