"""Keeping what native libraries write to file descriptor 2 off the screen.

CUDA and tokenizers write there without asking, and tear the picture.  While the guard
is open, descriptor 2 leads to the log file; Textual draws through a copy of the old one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STDERR = 2


@contextmanager
def stderr_to(log_file: Path) -> Iterator[None]:
    """Send descriptor 2 to the end of ``log_file``; the terminal is put back afterwards.

    Python's own ``sys.stderr`` and ``sys.__stderr__`` keep the terminal, since Textual
    draws through the latter and reports a crash through the former.  Where the log file
    can't be opened nothing is changed: a torn screen is better than no program.
    """
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        terminal = os.dup(STDERR)
    except OSError:
        yield
        return
    streams = sys.stderr, sys.__stderr__
    with os.fdopen(terminal, "w", encoding="utf-8", errors="replace") as screen:
        os.dup2(log, STDERR)
        os.close(log)
        sys.stderr = sys.__stderr__ = screen  # type: ignore[misc]
        try:
            yield
        finally:
            screen.flush()
            sys.stderr, sys.__stderr__ = streams  # type: ignore[misc]
            os.dup2(terminal, STDERR)
