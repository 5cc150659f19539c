"""What the roles said in the latest learns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cl_workbench.screens.overlays import Sheet
from engines.ace.trace import Trace


class TraceScreen(Sheet[None]):
    """Each turn of each role: what it was asked, what it said, what came of it.

    Args:
        traces: oldest first.
        exports: the folder that a trace is written into.
    """

    def __init__(self, traces: Sequence[Trace], exports: Path) -> None:
        super().__init__()
        self._traces = traces
        self._exports = exports
