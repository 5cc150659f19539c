"""Files that are either the old one or the new one, never half of each; names that stay put."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from pathlib import Path

from engines.protocol import EngineError

MAX_NAME_LENGTH = 64

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EISDIR: "a folder of that name is in the way",
    errno.ENAMETOOLONG: "its name is too long",
}


def checked_name(text: str, what: str = "name") -> str:
    """Return ``text`` if it is safe as a file name of its own, wherever it is put.

    Allowed are ASCII letters, digits, ``.``, ``_`` and ``-``, not beginning with ``.``
    or ``-``, at most 64 characters; so a name never leaves its folder, never hides,
    and never reads as an option.  ``what`` is how the error calls it.

    Raises:
        EngineError: if the text is anything else.
    """
    if len(text) <= MAX_NAME_LENGTH and _NAME.fullmatch(text):
        return text
    raise EngineError(
        f"{_shown(text)} can't be a {what}: use 1 to {MAX_NAME_LENGTH} letters, digits, "
        "'.', '_' or '-', beginning with a letter, a digit or '_'."
    )


def write_atomically(path: Path, data: bytes | str) -> None:
    """Replace the file at ``path`` by ``data`` (text as UTF-8), or leave it untouched.

    The bytes go to a hidden file in the same folder, reach the disk, and then take the
    target's name, so a kill or a power cut at any moment leaves a whole file.  Missing
    folders are made, a link is followed, and the permissions of an existing file stay.

    Raises:
        EngineError: if the file can't be written; the ``OSError`` is its cause.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    try:
        target = path.resolve()
        if target.exists() and not (target.is_file() or target.is_dir()):
            raise EngineError(f"Can't write {path}: it is not an ordinary file; name another one.")
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, content)
    except (OSError, RuntimeError) as error:
        raise EngineError(write_failure(path, error)) from error


def link_atomically(source: Path, path: Path) -> None:
    """Give the file at ``source`` a second name ``path``, in place of what is there.

    Where the file system can't link (another disk), a copy takes the name once it is whole
    and on the disk.  A linked file must not be written to afterwards: both names are it.

    Raises:
        EngineError: if that can't be done; the ``OSError`` is its cause.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        try:
            _link_or_copy(source, temporary)
            temporary.replace(path)
        finally:
            # Replacing a file by another name of itself leaves both names.
            with contextlib.suppress(OSError):
                temporary.unlink()
        _flush_folder(path.parent)
    except OSError as error:
        raise EngineError(write_failure(path, error)) from error


def _link_or_copy(source: Path, path: Path) -> None:
    try:
        path.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, path)
        with path.open("rb") as stream:
            os.fsync(stream.fileno())


def write_failure(path: Path, error: Exception) -> str:
    """One sentence for a file that could not be written because of ``error``."""
    code = error.errno if isinstance(error, OSError) else None
    reason = _REASONS.get(code) if code is not None else None
    if reason is None:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        reason = reason[:1].lower() + reason[1:]
    return f"Can't write {path}: {reason}; make room for it or choose another folder with --home."


def _replace(target: Path, content: bytes) -> None:
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        _write_through(temporary, content, _mode_of(target))
        temporary.replace(target)
    except BaseException:
        # A cancelled write (KeyboardInterrupt) must not leave its half file behind either.
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _flush_folder(target.parent)


def _mode_of(target: Path) -> int | None:
    try:
        return target.stat().st_mode & 0o777
    except FileNotFoundError:
        return None


def _write_through(path: Path, content: bytes, mode: int | None) -> None:
    with path.open("xb") as stream:
        if mode is not None:
            os.fchmod(stream.fileno(), mode)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    """Bring the renaming itself to the disk, where the file system can do so for folders."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF}:
            raise
    finally:
        os.close(descriptor)


def _shown(text: str) -> str:
    return repr(text if len(text) <= MAX_NAME_LENGTH else text[: MAX_NAME_LENGTH - 1] + "…")
