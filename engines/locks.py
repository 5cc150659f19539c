"""Folders that one process at a time changes."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engines.protocol import CheckpointError

WAIT_SECONDS = 10.0
_LOOK_SECONDS = 0.02

# Some network file systems know no locks; there a person has to see to it.
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.EBADF, errno.ENOSYS}


class BusyError(CheckpointError):
    """Another process is at work in the folder."""


@contextmanager
def locked(folder: Path, *, shared: bool = False, seconds: float = WAIT_SECONDS) -> Iterator[int]:
    """Keep others that ask likewise out of ``folder``, which has to exist; yields its descriptor.

    ``shared`` lets other readers in.  The system lets go of the lock when the process dies,
    however that comes.

    Raises:
        BusyError: if another holds it for longer than ``seconds``.
        OSError: if the folder can't be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _take(descriptor, folder, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, seconds)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path, kind: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise BusyError(
                    f"Another cl-workbench is at work in {folder}: try again when it is done."
                ) from error
            time.sleep(_LOOK_SECONDS)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return
            raise
        else:
            return
