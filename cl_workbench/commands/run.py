"""What ``cl-workbench`` does without a command: the workbench, or a demonstration."""

from __future__ import annotations

import click

from cl_workbench.assembly import engine_names
from cl_workbench.commands.options import PROGRAM, Workspace, is_interactive
from engines.protocol import EngineError


def run_workbench(workspace: Workspace, *, engine: str | None = None, fresh: bool = False) -> int:
    """Open the workbench; without a terminal say so and demonstrate what it does.

    ``engine`` is one of ``assembly.engine_names()``, by default the first.  ``fresh`` begins
    with nothing learned; the last session becomes a checkpoint.

    Returns:
        The exit code.

    Raises:
        EngineError: if there is no terminal for another engine than the demonstration's.
    """
    workspace.start_log()
    first = engine_names()[0]
    if is_interactive():
        from cl_workbench.app import run_app

        return run_app(workspace.home, workspace.settings, engine=engine or first, fresh=fresh)
    if engine not in {None, first}:
        raise EngineError(
            f"The workbench with {engine} needs a terminal: without one use "
            f"{PROGRAM} learn FILE --engine {engine}."
        )
    from cl_workbench.commands.demo import demonstrate

    click.echo("No terminal is attached, so here is a short demonstration without the screen.")
    return demonstrate(workspace)
