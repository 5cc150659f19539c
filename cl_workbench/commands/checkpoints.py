"""``cl-workbench checkpoints``: what is saved, seen and put in order without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cl_workbench.commands.console import json_line
from cl_workbench.commands.figures import relative_change, signed_percent
from cl_workbench.commands.options import CHECKPOINT, Workspace, is_interactive, shared_options
from cl_workbench.commands.table import Column, aligned, figure, size_text, time_text
from cl_workbench.terminal_text import one_line
from engines import catalogue
from engines import checkpoints as checkpoints_on_disk
from engines.catalogue import Comparison, Details, Saved, SavedDocument
from engines.protocol import CheckpointError

_TITLE = 36


@click.group()
@shared_options
def checkpoints() -> None:
    """List, show, compare, rename and delete what was saved."""


@checkpoints.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared_options
@click.pass_obj
def list_(workspace: Workspace, as_json: bool) -> None:
    """List the checkpoints, the newest first."""
    root = workspace.home.checkpoints
    found = catalogue.listing(root)
    if as_json:
        entries = [asdict(saved) for saved in found]
        click.echo(json_line({"folder": str(root), "checkpoints": entries}))
        return
    if not found:
        click.echo(one_line(f"No checkpoint in {root} yet: `cl-workbench learn PATH --save NAME`."))
        return
    sound = [saved for saved in found if not saved.fault]
    if sound:
        _echo(_table(_SAVED, [_saved_row(saved) for saved in sound]))
    _echo([f"{saved.name}: {saved.fault}" for saved in found if saved.fault])


@checkpoints.command()
@click.argument("name", type=CHECKPOINT)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared_options
@click.pass_obj
def show(workspace: Workspace, name: str, as_json: bool) -> None:
    """Show the documents and settings of NAME, and check every file of it."""
    folder = _folder(workspace, name)
    found = catalogue.details(folder, verify=True)
    if found.saved.fault:
        raise CheckpointError(found.saved.fault)
    if as_json:
        click.echo(json_line(_details_record(folder, found)))
        return
    click.echo(_headline(found.saved))
    if found.documents:
        _echo(_table(_DOCUMENTS, _document_rows(folder, found)))
    for key, value in sorted((found.settings or {}).items()):
        click.echo(one_line(f"{key}: {_plain(value)}"))


@checkpoints.command()
@click.argument("a", type=CHECKPOINT)
@click.argument("b", type=CHECKPOINT)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared_options
@click.pass_obj
def compare(workspace: Workspace, a: str, b: str, as_json: bool) -> None:
    """Show how A and B differ: documents and their losses, settings, size."""
    found = catalogue.compare(_folder(workspace, a), _folder(workspace, b))
    if as_json:
        click.echo(json_line(_comparison_record(found)))
        return
    click.echo(_headline(found.a))
    click.echo(_headline(found.b))
    if not found.same_model:
        click.echo("They were made on different base models.")
    _echo(_table(_compared(a, b), _compared_rows(found)))
    for key, in_a, in_b in found.settings:
        click.echo(one_line(f"{key}: {_plain(in_a)} in {a}, {_plain(in_b)} in {b}"))


@checkpoints.command()
@click.argument("old", type=CHECKPOINT)
@click.argument("new", type=CHECKPOINT)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared_options
@click.pass_obj
def rename(workspace: Workspace, old: str, new: str, as_json: bool) -> None:
    """Give the checkpoint OLD the name NEW, which must be free."""
    _folder(workspace, old)
    catalogue.rename(workspace.home.checkpoints, old, new)
    if as_json:
        click.echo(json_line({"renamed": old, "to": new}))
    else:
        click.echo(f"{old} is {new} now.")


@checkpoints.command()
@click.argument("name", type=CHECKPOINT)
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared_options
@click.pass_obj
def delete(workspace: Workspace, name: str, yes: bool, as_json: bool) -> int:
    """Delete the checkpoint NAME for good."""
    folder = _folder(workspace, name)
    if not yes and not _confirmed(folder):
        click.echo(f"{name} stays.", err=True)
        return 1
    done = catalogue.delete(folder)
    if as_json:
        click.echo(json_line({"deleted": name, "bytes": done.bytes, "left": list(done.left)}))
        return 0
    click.echo(f"Deleted {name}; {size_text(done.bytes)} are free again.")
    if done.left:
        click.echo(one_line(f"Not ours, and left in {folder}: {', '.join(done.left)}"))
    return 0


def _folder(workspace: Workspace, name: str) -> Path:
    """The folder of ``name``.

    Raises:
        CheckpointError: if there is none, with how to see those there are.
    """
    folder = workspace.home.checkpoint(name)
    if not folder.is_dir():
        raise CheckpointError(
            f"There is no checkpoint '{name}' in {folder.parent}: "
            "`cl-workbench checkpoints list` shows those there are."
        )
    return folder


def _confirmed(folder: Path) -> bool:
    if not is_interactive():
        raise click.UsageError(f"Nobody can be asked here: add --yes to delete {folder.name}.")
    saved = catalogue.details(folder).saved
    what = "damaged" if saved.fault else _count(saved.documents)
    question = f"Delete {folder.name} ({what}, {size_text(saved.bytes)}) for good?"
    return click.confirm(question, err=True)


_SAVED = (
    Column("NAME"),
    Column("DOCUMENTS", right=True),
    Column("ALPHA", right=True),
    Column("SIZE", right=True),
    Column("SAVED"),
    Column("ENGINE"),
    Column("MODEL"),
)

_DOCUMENTS = (
    Column("ID"),
    Column("TITLE", most=_TITLE),
    Column("TOKENS", right=True),
    Column("CHUNKS", right=True),
    Column("LOSS", right=True),
    Column("AFTER", right=True),
    Column("HELD-OUT", right=True),
    Column("SIZE", right=True),
    Column(""),
)

_IF_ANY = ("ALPHA", "CHUNKS", "LOSS", "AFTER", "HELD-OUT")


def _saved_row(saved: Saved) -> list[str]:
    return [
        saved.name,
        str(saved.documents),
        figure(saved.alpha),
        size_text(saved.bytes),
        time_text(saved.saved_at),
        saved.engine or "-",
        saved.model or "-",
    ]


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table without those columns that none of these engines has a value for."""
    kept = [
        number
        for number, column in enumerate(columns)
        if not column.heading.startswith(_IF_ANY)
        or any(row[number] not in {"", "-"} for row in rows)
    ]
    return aligned([columns[n] for n in kept], [[row[n] for n in kept] for row in rows])


def _document_rows(folder: Path, found: Details) -> list[list[str]]:
    chunks = _chunks_in(folder)
    return [
        _document_row(document, chunks.get(document.id), _kept_bytes(found, document))
        for document in found.documents
    ]


def _chunks_in(folder: Path) -> dict[str, int]:
    """How many passages each document was cut into, by id; none where that isn't done."""
    rows = checkpoints_on_disk.read_manifest(folder).get("documents") or ()
    counts = {str(row.get("id")): row.get("chunks") for row in rows}
    return {id_: count for id_, count in counts.items() if type(count) is int and count > 0}


def _kept_bytes(found: Details, document: SavedDocument) -> int | None:
    """All parts of a document: its own, and those whose names go on after its id."""
    own = [p.bytes for p in found.parts if p.name.partition("-")[0] == document.id]
    return sum(own) if own else None


def _document_row(document: SavedDocument, chunks: int | None, kept: int | None) -> list[str]:
    rise = relative_change(document.held_out_loss_before, document.held_out_loss_after)
    return [
        document.id,
        document.title,
        figure(document.tokens, ",d"),
        figure(chunks, ",d"),
        figure(document.loss_before),
        figure(document.loss_after),
        "-" if rise is None else signed_percent(rise),
        size_text(kept),
        "muted" if document.muted else "",
    ]


def _compared(a: str, b: str) -> tuple[Column, ...]:
    return (
        Column("DOCUMENT"),
        Column("TITLE", most=_TITLE),
        Column(f"LOSS IN {a}", right=True),
        Column(f"LOSS IN {b}", right=True),
    )


def _compared_rows(found: Comparison) -> list[list[str]]:
    rows = [[x.id, x.title, _loss(x), _loss(y)] for x, y in found.both]
    rows += [[x.id, x.title, _loss(x), "not learned"] for x in found.only_a]
    return rows + [[y.id, y.title, "not learned", _loss(y)] for y in found.only_b]


def _loss(document: SavedDocument) -> str:
    return figure(document.loss_after) + (" (muted)" if document.muted else "")


def _headline(saved: Saved) -> str:
    alpha = "" if saved.alpha is None else f"alpha {figure(saved.alpha)}, "
    return one_line(
        f"{saved.name}: {_count(saved.documents)} learned by {saved.engine} on {saved.model}, "
        f"{alpha}{size_text(saved.bytes)}, "
        f"saved {time_text(saved.saved_at)}"
    )


def _count(documents: int) -> str:
    return "1 document" if documents == 1 else f"{documents} documents"


def _details_record(folder: Path, found: Details) -> dict[str, Any]:
    chunks = _chunks_in(folder)
    return {
        **asdict(found.saved),
        "documents": [
            asdict(document)
            | {"chunks": chunks.get(document.id), "bytes": _kept_bytes(found, document)}
            for document in found.documents
        ],
        "settings": dict(found.settings or {}),
        "parts": [asdict(part) for part in found.parts],
    }


def _comparison_record(found: Comparison) -> dict[str, Any]:
    return {
        "a": asdict(found.a),
        "b": asdict(found.b),
        "same_model": found.same_model,
        "both": [{"a": asdict(x), "b": asdict(y)} for x, y in found.both],
        "only_a": [asdict(document) for document in found.only_a],
        "only_b": [asdict(document) for document in found.only_b],
        "settings": {key: {"a": in_a, "b": in_b} for key, in_a, in_b in found.settings},
    }


def _plain(value: Any) -> str:
    return "null" if value is None else str(value)


def _echo(lines: list[str]) -> None:
    for line in lines:
        click.echo(one_line(line))
