"""Ctrl-C and SIGTERM as a question that long work asks at each batch."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Self

import click


class Interrupts:
    """While the block is open, the first Ctrl-C or SIGTERM only sets ``requested``.

    A second one raises ``KeyboardInterrupt`` at once.  The handlers that were there
    before come back at the end of the block.
    """

    def __init__(self, notice: str) -> None:
        self.requested = False
        self._raised = False
        self._notice = notice
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Take over the two signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def raised(self) -> Iterator[None]:
        """Inside this block, which waits for a person, the first one is raised as well."""
        self._raised = True
        try:
            yield
        finally:
            self._raised = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested or self._raised:
            self.requested = True
            raise KeyboardInterrupt
        self.requested = True
        click.echo(f"\n{self._notice}", err=True)
