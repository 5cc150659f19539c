"""Reading folders for the tree: bounded, loop-proof, and never on the event loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_ENTRIES = 1_000
MAX_MATCHES = 300
MAX_VISITED = 50_000


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """A folder or a readable file."""

    path: Path
    is_folder: bool


@dataclass(frozen=True, slots=True)
class FolderListing:
    """What a folder holds, folders first; ``left_out`` counts what the limit cut."""

    entries: tuple[FolderEntry, ...]
    left_out: int = 0
    reason: str | None = None


def list_folder(folder: Path, suffixes: frozenset[str], limit: int = MAX_ENTRIES) -> FolderListing:
    """Folders and supported files directly in ``folder``, sorted, hidden ones left out.

    Never raises: a folder that can't be read gives an empty listing with its ``reason``.
    """
    try:
        with os.scandir(folder) as entries:
            found = [entry for item in entries if (entry := _entry(item, suffixes))]
    except OSError as error:
        return FolderListing((), reason=(error.strerror or "can't be read").lower())
    found.sort(key=lambda entry: (not entry.is_folder, entry.path.name.casefold()))
    return FolderListing(tuple(found[:limit]), left_out=max(len(found) - limit, 0))


def leads_back(folder: Path, root: Path) -> bool:
    """True if ``folder`` is a link to itself or to a folder it lies in."""
    try:
        real = folder.resolve()
        return any(
            parent.resolve() == real
            for parent in folder.parents
            if parent == root or root in parent.parents
        )
    except (OSError, RuntimeError):
        return True


def find_files(
    root: Path,
    text: str,
    suffixes: frozenset[str],
    *,
    stop: Callable[[], bool] = lambda: False,
    max_matches: int = MAX_MATCHES,
    max_visited: int = MAX_VISITED,
) -> FolderListing:
    """Files anywhere below ``root`` whose relative path contains ``text``, in any case.

    Links to folders are not followed.  ``stop`` is asked at every entry; matches are
    cut at ``max_matches`` and the search at ``max_visited`` entries, with a reason.
    """
    wanted = text.casefold()
    found: list[FolderEntry] = []
    for visited, entry in enumerate(_walk(root, suffixes), start=1):
        if stop():
            return FolderListing((), reason="stopped")
        relative = str(entry.path.relative_to(root)).casefold()
        if not entry.is_folder and wanted in relative:
            found.append(entry)
        if len(found) >= max_matches:
            return FolderListing(tuple(found), reason=f"first {max_matches} shown")
        if visited >= max_visited:
            return FolderListing(tuple(found), reason=f"searched {max_visited:,} entries")
    return FolderListing(tuple(found))


def _walk(root: Path, suffixes: frozenset[str]) -> Iterator[FolderEntry]:
    waiting = [root]
    while waiting:
        listing = list_folder(waiting.pop(), suffixes, limit=MAX_VISITED)
        yield from listing.entries
        folders = [e.path for e in listing.entries if e.is_folder and not e.path.is_symlink()]
        waiting.extend(reversed(folders))


def _entry(item: os.DirEntry[str], suffixes: frozenset[str]) -> FolderEntry | None:
    if item.name.startswith("."):
        return None
    try:
        if item.is_dir():
            return FolderEntry(Path(item.path), is_folder=True)
        supported = Path(item.name).suffix.lower() in suffixes and item.is_file()
    except OSError:
        return None
    return FolderEntry(Path(item.path), is_folder=False) if supported else None
