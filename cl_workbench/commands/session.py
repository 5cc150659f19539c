"""Opening a model and an engine for one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cl_workbench import assembly
from cl_workbench.commands.options import Workspace
from engines.protocol import CheckpointError

if TYPE_CHECKING:
    from cl_workbench.commands.console import ProgressDisplay
    from engines.host import ModelHost
    from engines.protocol import Engine


def open_host(workspace: Workspace, display: ProgressDisplay) -> ModelHost:
    """Load the model that the settings name, and show how that goes."""
    display.show("starting", None)
    return assembly.build_host(workspace.settings, display.show)


def open_engine(workspace: Workspace, name: str, host: ModelHost, saved: str | None) -> Engine:
    """A fresh engine, or the one saved under the name ``saved``."""
    engine = assembly.build_engine(name, host, workspace.settings)
    if saved is not None:
        engine.load(workspace.home.checkpoint(saved))
    return engine


def require_checkpoint(workspace: Workspace, name: str | None) -> None:
    """Refuse a checkpoint that isn't there before a model is loaded for it.

    Raises:
        CheckpointError: if nothing is saved under that name.
    """
    if name is None or workspace.home.checkpoint(name).is_dir():
        return
    raise CheckpointError(
        f"There is no checkpoint '{name}' in {workspace.home.checkpoints}: "
        f"save one with `cl-workbench learn PATH --save {name}`."
    )
