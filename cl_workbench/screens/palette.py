"""The workbench's keys as commands of the palette, so that each can be found by name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.binding import Binding

from cl_workbench.screens.keys import BINDINGS

if TYPE_CHECKING:
    from cl_workbench.screens.workbench import WorkbenchScreen

_LEFT_OUT = {"app.focus_next", "app.focus_previous", "app.save_screenshot", "leave"}


def commands(screen: WorkbenchScreen) -> Iterable[SystemCommand]:
    """One command for each action that can be done now, and the sample documents."""
    seen = set(_LEFT_OUT)
    for binding in Binding.make_bindings(BINDINGS):
        if binding.action in seen or not screen.offers(binding.action):
            continue
        seen.add(binding.action)
        title = (binding.description[:1].upper() + binding.description[1:]).strip()
        run = partial(screen.run_command, binding.action)
        yield SystemCommand(title, binding.tooltip, run)
    yield SystemCommand(
        "Sample documents", "Show the documents that come with the program", screen.show_samples
    )
