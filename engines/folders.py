"""What a folder holds that can be read, and what is left out and why."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from engines.protocol import DocumentError

SUFFIXES = (".txt", ".md", ".markdown", ".rst", ".jsonl")

DEFAULT_MAX_MEGABYTES = 50.0

# A link to the root of a disk would otherwise list for minutes.
_MOST_ENTRIES = 50_000


@dataclass(frozen=True, slots=True)
class FolderPreview:
    """The documents in a folder, sorted by path, and what else is there.

    ``left_out`` pairs each path that will not be read with a sentence; ``failed`` is
    the part of it that a person would expect to be read: empty or too large documents,
    links in a loop, folders that can't be listed.
    """

    readable: tuple[Path, ...]
    left_out: tuple[tuple[Path, str], ...]
    failed: tuple[tuple[Path, str], ...] = ()


@dataclass(slots=True)
class _Listing:
    max_megabytes: float
    readable: list[Path] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    seen: dict[tuple[int, int], Path] = field(default_factory=dict)
    entries: int = 0

    def leave_out(self, path: Path, reason: str, *, failed: bool = False) -> None:
        self.left_out.append((path, reason))
        if failed:
            self.failed.append((path, reason))


def list_folder(folder: Path, *, max_megabytes: float = DEFAULT_MAX_MEGABYTES) -> FolderPreview:
    """List ``folder`` with all below it; links are followed, nothing is listed twice.

    Raises:
        DocumentError: if ``folder`` is not a folder or can't be listed.
    """
    name = shown(folder)
    try:
        status = folder.stat()
        if not stat.S_ISDIR(status.st_mode):
            raise DocumentError(f"{name} is not a folder; choose a folder.", name)
        next(folder.iterdir(), None)
    except (OSError, ValueError) as error:
        raise DocumentError(
            f"{name} can't be listed ({_detail(error)}); check it.", name
        ) from error
    listing = _Listing(max_megabytes)
    listing.seen[_identity(status)] = folder
    pending = [folder]
    while pending:
        pending.extend(reversed(_list_one(pending.pop(), listing)))
    return FolderPreview(
        tuple(sorted(listing.readable)),
        tuple(sorted(listing.left_out)),
        tuple(sorted(listing.failed)),
    )


def document_kind_fault(path: Path, status: os.stat_result, max_megabytes: float) -> str | None:
    """One sentence if a file with this ``status`` can't be a document, else None.

    Its bytes are not looked at.
    """
    name = shown(path)
    if stat.S_ISDIR(status.st_mode):
        return f"{name} is a folder, not a file; choose a file in it."
    if not stat.S_ISREG(status.st_mode):
        return f"{name} is not an ordinary file; choose a text file."
    if path.suffix.lower() not in SUFFIXES:
        return f"{name} is of an unsupported kind; save its text as {kinds()}."
    if status.st_size == 0:
        return f"{name} is empty; choose a file with text in it."
    if status.st_size > max_megabytes * 1_000_000:
        return (
            f"{name} has {status.st_size / 1_000_000:.1f} MB, more than the limit of "
            f"{max_megabytes:g} MB; split it or raise documents.max_megabytes."
        )
    return None


def kinds() -> str:
    """The supported suffixes as people read them: ``.txt, .md, … or .jsonl``."""
    return f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"


def shown(path: str | Path) -> str:
    """``path`` as text that can be printed and saved, whatever bytes the file's name has."""
    text = os.fsencode(path).decode("utf-8", errors="replace")
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _list_one(folder: Path, listing: _Listing) -> list[Path]:
    """Add what lies directly in ``folder`` to ``listing``; return the folders to go on with."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        reason = f"{shown(folder)} can't be listed ({_detail(error)})."
        listing.leave_out(folder, reason, failed=True)
        return []
    listing.entries += len(paths)
    if listing.entries > _MOST_ENTRIES:
        reason = f"{shown(folder)} was not listed: too many files; choose a smaller folder."
        listing.leave_out(folder, reason, failed=True)
        return []
    return [path for path in paths if _is_folder_to_list(path, listing)]


def _is_folder_to_list(path: Path, listing: _Listing) -> bool:
    """Add a file to ``listing``, or say that ``path`` is a folder that must be gone through."""
    if path.name.startswith("."):
        listing.leave_out(path, f"{shown(path)} is hidden.")
        return False
    try:
        status = path.stat()
    except OSError as error:
        listing.leave_out(path, _broken(path, error), failed=True)
        return False
    twin = listing.seen.setdefault(_identity(status), path)
    if twin is not path:
        listing.leave_out(path, _already(path, twin), failed=_is_loop(path))
        return False
    if stat.S_ISDIR(status.st_mode):
        return True
    fault = document_kind_fault(path, status, listing.max_megabytes)
    if fault is None:
        listing.readable.append(path)
    else:
        listing.leave_out(path, fault, failed=path.suffix.lower() in SUFFIXES)
    return False


def _is_loop(path: Path) -> bool:
    """Whether ``path`` is a link to a folder that it lies in."""
    return path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve())


def _already(path: Path, twin: Path) -> str:
    if _is_loop(path):
        return f"{shown(path)} is a symlink loop: it leads back to {shown(twin)}."
    return f"{shown(path)} is the same as {shown(twin)}."


def _broken(path: Path, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return f"{shown(path)} is a symlink loop: it leads to itself."
    if path.is_symlink() and error.errno == errno.ENOENT:
        return f"{shown(path)} is a link to a file that does not exist."
    return f"{shown(path)} can't be read ({_detail(error)})."


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _detail(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
