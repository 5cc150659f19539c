"""Files that a command makes: new ones, as what is there may hold a person's work."""

from __future__ import annotations

import contextlib
from pathlib import Path

from engines.atomic import write_atomically, write_failure
from engines.protocol import EngineError


def check_new(file: Path, why: str = "", *, option: str = "--write") -> None:
    """Refuse a file that is there; ``why`` follows the words that it exists.

    ``option`` is what names the file on the command line.

    Raises:
        EngineError: if there is anything of that name.
    """
    if file.exists() or file.is_symlink():
        raise _taken(file, why, option)


def write_new(file: Path, text: str, *, option: str = "--write") -> None:
    """Write ``text`` into ``file`` as a new one, and make missing folders.

    Raises:
        EngineError: if it exists by now, or can't be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Of two programs that come here at once only one makes the file; replacing it by the
        # whole text then overwrites nobody's.
        file.open("xb").close()
    except FileExistsError as error:
        raise _taken(file, "", option) from error
    except OSError as error:
        raise EngineError(write_failure(file, error)) from error
    try:
        write_atomically(file, text)
    except BaseException:
        with contextlib.suppress(OSError):
            file.unlink()
        raise


def _taken(file: Path, why: str, option: str) -> EngineError:
    return EngineError(f"{file} exists{why}: remove it or give {option} another name.")
