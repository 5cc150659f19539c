"""What a command writes while it works: progress on stderr, and JSON alone on stdout."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import click

from cl_workbench.terminal_text import escaped, one_line, printable

Emit = Callable[[dict[str, Any] | list[dict[str, Any]]], None]

_COUNT = re.compile(r"\d+ of \d+$")


class ProgressDisplay(Protocol):
    """Shows what is being done; ``show`` may be called as often as one likes."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Clear what is on a terminal; printed lines stay."""

    def show(self, stage: str, fraction: float | None, detail: str = "") -> None:
        """Say what is going on and the share (0..1) done, None where that isn't known."""

    def say(self, text: str) -> None:
        """Print a line that stays."""

    def suspended(self) -> AbstractContextManager[None]:
        """Inside this block nothing is drawn, so that a person can be asked."""


def progress_display() -> ProgressDisplay:
    """A bar where stderr is a terminal, else plain lines, one for each tenth."""
    on_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return Bar() if on_terminal else PlainLines()


class Bar:
    """One bar on the terminal, gone when the work is done."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._progress = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[detail]}", markup=False),
            console=Console(file=sys.stderr),
            transient=True,
        )
        self._kind: str | None = None
        self._task: Any = None

    def __enter__(self) -> Self:
        """Begin to show."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Clear the bar."""
        self._progress.stop()

    def show(self, stage: str, fraction: float | None, detail: str = "") -> None:
        """Move the bar; a new stage begins a new one in its place."""
        stage, detail = one_line(stage), printable(detail)
        if _kind_of(stage) != self._kind:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(stage, total=None, detail=detail)
            self._kind = _kind_of(stage)
        total = None if fraction is None else 1.0
        self._progress.update(
            self._task,
            description=stage,
            total=total,
            completed=fraction or 0.0,
            detail=detail,
        )

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        from rich.text import Text

        self._progress.console.print(Text(one_line(text)), soft_wrap=True)

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Take the bar away, and draw it again at the end of the block."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()


class PlainLines:
    """A line at each new stage and each further tenth, for logs and pipes."""

    def __init__(self) -> None:
        self._last: tuple[str, int] | None = None

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the lines as they are."""

    def show(self, stage: str, fraction: float | None, detail: str = "") -> None:
        """Print a line if the stage is new or a further tenth is done."""
        tenth = -1 if fraction is None else int(fraction * 10)
        if self._last == (_kind_of(stage), tenth):
            return
        self._last = (_kind_of(stage), tenth)
        share = "" if fraction is None else f" {fraction:.0%}"
        line = f"{one_line(stage)}{share}{'  ' if detail else ''}{printable(detail)}"
        click.echo(line, err=True)

    def say(self, text: str) -> None:
        """Print one more line."""
        click.echo(one_line(text), err=True)

    def suspended(self) -> AbstractContextManager[None]:
        """Nothing is drawn between lines anyway."""
        return contextlib.nullcontext()


def _kind_of(stage: str) -> str:
    """The stage without what it counts: ``reading items 3 of 48`` is no new one after 2 of 48."""
    return _COUNT.sub("", stage)


@contextlib.contextmanager
def json_output() -> Iterator[Emit]:
    """Give stdout to JSON alone: what anything else prints meanwhile goes to stderr.

    Yields a function that writes one object as one line.
    """
    sys.stdout.flush()
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        kept_stream = sys.stdout
        with contextlib.redirect_stdout(sys.stderr):
            yield lambda record: print(json_line(record), file=kept_stream, flush=True)
        return
    kept = os.dup(descriptor)
    # Also what native libraries print by themselves must not reach the real stdout.
    os.dup2(sys.stderr.fileno(), descriptor)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8") as stream:
            yield lambda record: print(json_line(record), file=stream, flush=True)
    finally:
        sys.stdout.flush()
        os.dup2(kept, descriptor)
        os.close(kept)


def echo_path(path: Path) -> None:
    """Print a path alone: exactly as it is for a program that reads it, else made printable."""
    click.echo(printable(str(path)) if sys.stdout.isatty() else os.fsencode(path))


def json_line(record: dict[str, Any] | list[dict[str, Any]]) -> str:
    """``record`` as one line of JSON; a number that is not finite becomes null."""
    return escaped(json.dumps(_finite(record), ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
