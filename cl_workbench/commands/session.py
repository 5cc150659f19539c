"""Opening a model and an engine for one command."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from cl_workbench import assembly
from cl_workbench.commands.lora_learning import tell_simulated
from cl_workbench.commands.options import Workspace
from engines.protocol import CheckpointError, EngineError

if TYPE_CHECKING:
    from cl_workbench.commands.console import ProgressDisplay
    from engines.ace.engine import AceEngine
    from engines.ace.revisions import History
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
    workspace: Workspace,
    name: str,
    host: ModelHost | ServedHost,
    saved: str | None,
    history: History | None = None,
) -> Engine:
    """A fresh engine, or the one saved under the name ``saved``.

    Its playbook becomes that of ``history``, if there is one.
    """
    engine = assembly.build_engine(name, host, workspace.settings)
    tell_simulated(engine)
    if saved is not None:
        engine.load(workspace.home.checkpoint(saved))
    if history is not None:
        cast("AceEngine", engine).history = history
    return engine


def kept_playbook(workspace: Workspace, name: str | None, engine: str) -> History | None:
    """The playbook ``name`` for ``engine``, read before a model is loaded for it.

    Raises:
        UsageError: if the engine keeps none.
        PlaybookError: if there is none of that name, or it can't be read.
    """
    if name is None:
        return None
    require_ace("--playbook", engine)
    from engines.ace import files

    return files.load(workspace.home.playbooks, name)


def require_ace(option: str, engine: str) -> None:
    """Refuse ``option`` with another engine than ACE.  Raises ``UsageError``."""
    if engine != assembly.ACE:
        raise click.UsageError(
            f"{option} is for the engine ace, not for {engine}: add --engine ace, or leave it out."
        )


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
