"""``cl-workbench ledger``: what a checkpoint has learned, and taking parts of it back."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cl_workbench.commands.console import Emit, json_output, progress_display
from cl_workbench.commands.ledger_rows import LedgerRow, print_rows, rows_of
from cl_workbench.commands.options import CHECKPOINT, PROGRAM, Workspace, shared_options
from cl_workbench.commands.session import check_free, open_engine, open_host, require_checkpoint
from cl_workbench.commands.table import size_text
from cl_workbench.commands.which import which_document
from cl_workbench.home import made
from cl_workbench.terminal_text import one_line
from engines.abilities import HasLedger, KeepsPlaybook
from engines.decoding import counted
from engines.protocol import Engine, EngineError

if TYPE_CHECKING:
    from cl_workbench.commands.console import ProgressDisplay

LIST, MUTE, UNMUTE, MOVE, FORGET = "list", "mute", "unmute", "move", "forget"


@click.command()
@click.argument("name", type=CHECKPOINT)
@click.argument("action", type=click.Choice([LIST, MUTE, UNMUTE, MOVE, FORGET]), default=LIST)
@click.argument("document", required=False)
@click.argument("position", type=int, required=False)
@click.option("--save", type=CHECKPOINT, help="Save under another name and leave NAME as it is.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@shared_options
@click.pass_obj
def ledger(
    workspace: Workspace,
    *,
    name: str,
    action: str,
    document: str | None,
    position: int | None,
    save: str | None,
    as_json: bool,
) -> int:
    """Show what the checkpoint NAME has learned, or change it and save it.

    DOCUMENT is an id, the beginning of one, or a title; POSITION counts from 1.  mute leaves
    a document out and keeps it, unmute takes it in again, move puts it at POSITION, forget
    takes it back.
    """
    _check_use(action, document, position, save)
    workspace.start_log()
    require_checkpoint(workspace, name)
    check_free(workspace, name, save)
    with json_output() if as_json else nullcontext() as emit:
        if document is not None:
            _change(workspace, name, action, document, position, save or name, emit)
        _show(workspace, save or name, emit)
    return 0


def _check_use(action: str, document: str | None, position: int | None, save: str | None) -> None:
    usage = f"{PROGRAM} ledger NAME {action} DOCUMENT{' POSITION' if action == MOVE else ''}"
    if action == LIST and (document is not None or save is not None):
        raise click.UsageError("list takes no DOCUMENT and no --save: it changes nothing.")
    if action != LIST and document is None:
        raise click.UsageError(f"Say which document: {usage}.")
    if (action == MOVE) != (position is not None):
        raise click.UsageError(
            f"Say where to: {usage}." if action == MOVE else "Only move takes a POSITION."
        )


def _change(
    workspace: Workspace,
    name: str,
    action: str,
    asked: str,
    position: int | None,
    save: str,
    emit: Emit | None,
) -> None:
    """Open the checkpoint, change its ledger, and save it; wrong wishes fail before that."""
    manifest, rows = _read(workspace, name)
    row = which_document(asked, rows)
    if position is not None and not 1 <= position <= len(rows):
        counted_rows = counted(len(rows), "document")
        raise EngineError(f"{name} has {counted_rows}: give a position from 1 to {len(rows)}.")
    folder = made(workspace.home.checkpoints) / save
    with progress_display() as display:
        engine = _opened(workspace, str(manifest.get("engine")), name, display)
        bullets = _bullets(engine)
        _apply(engine, action, row, position)
        gone = None if bullets is None else bullets - (_bullets(engine) or 0)
        display.show(f"saving {save}", None)
        engine.save(folder)
    if emit is None:
        forgot = action == FORGET
        click.echo(_forgot(row, rows, save, gone) if forgot else _done(action, row, position))


def _opened(workspace: Workspace, engine: str, name: str, display: ProgressDisplay) -> Engine:
    return open_engine(workspace, engine, open_host(workspace, display, engine), name)


def _bullets(engine: Engine) -> int | None:
    """How many bullets its playbook has; None if it keeps none."""
    return len(engine.history.playbook.bullets) if isinstance(engine, KeepsPlaybook) else None


def _apply(engine: Engine, action: str, row: LedgerRow, position: int | None) -> None:
    if action == FORGET:
        engine.forget(row.id)
        return
    if not isinstance(engine, HasLedger):
        raise EngineError(f"The engine '{engine.name}' can only forget documents.")
    if position is not None:
        engine.move(row.id, position - 1)
    else:
        engine.mute(row.id, action == MUTE)


def _done(action: str, row: LedgerRow, position: int | None) -> str:
    title = f"{one_line(row.title)} ({row.id})"
    if action == MOVE:
        return f"Moved {title} to position {position}."
    if action == MUTE:
        return f"Muted {title}: it is kept, and answers leave it out."
    return f"{title} counts again."


def _forgot(row: LedgerRow, rows: Sequence[LedgerRow], saved: str, bullets: int | None) -> str:
    """What is gone with a document, and what of it is not; ``bullets`` went with it."""
    title = f"{one_line(row.title)} ({row.id})"
    if bullets:
        rested = f"{counted(bullets, 'bullet')} of the playbook that rested on it alone"
        return f"Forgot {title}: its passages are gone, and {rested}."
    if row.chunks:
        return f"Forgot {title}: its passages are gone, and all else is as it was."
    if row == rows[-1] and row.learned_at == max(each.learned_at for each in rows):
        return f"Forgot {title}: the weights are as they were before it."
    words = (PROGRAM, "recall", row.path or "PATH", "--load", saved)
    return (
        f"Forgot {title}. What was learned on top of it stays as it is: "
        f"`{one_line(shlex.join(words))}` measures what remains."
    )


def _show(workspace: Workspace, name: str, emit: Emit | None) -> None:
    manifest, rows = _read(workspace, name)
    if emit:
        about: dict[str, Any] = {key: manifest.get(key) for key in ("engine", "model", "alpha")}
        emit({"name": name, **about, "documents": [asdict(row) for row in rows]})
        return
    print_rows(rows)
    size = sum(row.bytes or 0 for row in rows)
    model = one_line(str(manifest.get("model")))
    click.echo(f"{name}: {counted(len(rows), 'document')}, {size_text(size)}, learned on {model}.")


def _read(workspace: Workspace, name: str) -> tuple[dict[str, Any], Sequence[LedgerRow]]:
    """The manifest and its ledger, without loading a model."""
    from engines.checkpoints import read_manifest

    folder: Path = workspace.home.checkpoint(name)
    manifest = read_manifest(folder)
    return manifest, rows_of(manifest, name)
