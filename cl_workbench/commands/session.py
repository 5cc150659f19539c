"""Opening a model and an engine for one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cl_workbench import assembly
from cl_workbench.commands.options import Workspace
from engines.protocol import CheckpointError, EngineError

if TYPE_CHECKING:
    from cl_workbench.commands.console import ProgressDisplay
    from engines.host import ModelHost
    from engines.language_models.served import ServedHost
    from engines.protocol import Engine


def open_host(
    workspace: Workspace, display: ProgressDisplay, engine: str
) -> ModelHost | ServedHost:
    """Open the model that the settings name for ``engine``, and show how that goes."""
    display.show("starting", None)
    return assembly.open_model(engine, workspace.settings, display.show)


def open_engine(
    workspace: Workspace, name: str, host: ModelHost | ServedHost, saved: str | None
) -> Engine:
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


def check_free(workspace: Workspace, name: str, save: str | None) -> None:
    """Refuse to save a changed ``name`` over another checkpoint.

    Raises:
        EngineError: if ``save`` is the name of one.
    """
    if save is None or save == name or not workspace.home.checkpoint(save).exists():
        return
    raise EngineError(
        f"There is a checkpoint '{save}' already: choose another name for --save, or leave it "
        f"out to change {name} itself."
    )


def engine_of(
    workspace: Workspace, saved: str | None, asked: str | None, playbook: str | None = None
) -> str:
    """The engine to open ``saved`` with: the one ``asked`` for, else the one that saved it.

    Where nothing is opened either, it is the one that keeps a ``playbook`` if that is named,
    else the first there is.

    Raises:
        CheckpointError: if the checkpoint can't be read.
        EngineError: if there is no such engine here.
    """
    if asked is not None:
        return asked
    if saved is None:
        return assembly.engine_names()[0] if playbook is None else assembly.ACE
    from engines.checkpoints import read_manifest

    manifest = read_manifest(workspace.home.checkpoint(saved))
    return assembly.checked_engine(str(manifest.get("engine")))
