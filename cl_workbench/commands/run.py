"""What ``cl-workbench`` does without a command: the workbench, or a demonstration."""

from __future__ import annotations

import click

from cl_workbench.commands.options import Workspace, is_interactive


def run_workbench(workspace: Workspace, *, fresh: bool = False) -> int:
    """Open the workbench; without a terminal say so and demonstrate what it does.

    ``fresh`` begins with nothing learned; the last session becomes a checkpoint.

    Returns:
        The exit code.
    """
    workspace.start_log()
    if is_interactive():
        from cl_workbench.app import run_app

        return run_app(workspace.home, workspace.settings, fresh=fresh)
    from cl_workbench.commands.demo import demonstrate

    click.echo("No terminal is attached, so here is a short demonstration without the screen.")
    return demonstrate(workspace)
