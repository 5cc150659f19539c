"""Work of an engine that ends with one value: shown as it goes, then returned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from cl_workbench.commands.figures import learning_detail
from engines.protocol import EngineError, Progress

if TYPE_CHECKING:
    from cl_workbench.commands.console import ProgressDisplay

T = TypeVar("T")


def watched(events: Iterator[Progress | T], display: ProgressDisplay, label: str) -> T:
    """Show each ``Progress`` of ``events`` after ``label`` and return the value at the end.

    Raises:
        EngineError: if the events end without one.
    """
    found: list[T] = []
    for event in events:
        if isinstance(event, Progress):
            display.show(f"{label} {event.stage}", event.fraction, learning_detail(event))
        else:
            found.append(event)
    if not found:
        raise EngineError(f"{label} ended without a value: see the log and try again.")
    return found[-1]
