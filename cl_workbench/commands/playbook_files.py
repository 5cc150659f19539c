"""``playbook rename``, ``delete``, ``export`` and ``import``: the files that playbooks are."""

from __future__ import annotations

from pathlib import Path

import click

from cl_workbench.commands.console import json_line
from cl_workbench.commands.new_file import check_new, write_new
from cl_workbench.commands.options import PLAYBOOK, Workspace, is_interactive, shared_options
from cl_workbench.commands.playbook_keeping import keep, limits, opened
from cl_workbench.commands.playbook_text import verdict_counts
from cl_workbench.commands.table import size_text
from cl_workbench.terminal_text import one_line, printable
from engines.ace import files
from engines.ace.exporting import markdown
from engines.ace.importing import import_into, read_file
from engines.ace.playbook import PlaybookError
from engines.ace.review import Offered
from engines.ace.revisions import History
from engines.decoding import counted

STANDARD_OUTPUT = "-"

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command()
@click.argument("old", type=PLAYBOOK)
@click.argument("new", type=PLAYBOOK)
@_json
@shared_options
@click.pass_obj
def rename(workspace: Workspace, *, old: str, new: str, as_json: bool) -> None:
    """Give the playbook OLD the free name NEW."""
    files.rename(workspace.home.playbooks, old, new)
    click.echo(json_line({"renamed": old, "to": new}) if as_json else f"{old} is {new} now.")


@click.command()
@click.argument("name", type=PLAYBOOK)
@click.option("--yes", is_flag=True, help="Don't ask.")
@_json
@shared_options
@click.pass_obj
def delete(workspace: Workspace, *, name: str, yes: bool, as_json: bool) -> int:
    """Delete a playbook with all its revisions for good."""
    folder = workspace.home.playbooks
    if not yes and not _confirmed(folder, name):
        click.echo(f"{name} stays.", err=True)
        return 1
    freed = files.delete(folder, name)
    if as_json:
        click.echo(json_line({"deleted": name, "bytes": freed}))
    else:
        click.echo(f"Deleted {name}; {size_text(freed)} are free again.")
    return 0


def _confirmed(folder: Path, name: str) -> bool:
    saved = next((one for one in files.listing(folder) if one.name == name), None)
    if saved is None:
        files.load(folder, name)  # raises, with how to see what there is
        return False
    if not is_interactive():
        raise click.UsageError(f"Nobody can be asked here: add --yes to delete {name}.")
    sound = f"{counted(saved.bullets, 'bullet')}, {counted(saved.revisions, 'revision')}"
    what = "damaged" if saved.fault else sound
    return click.confirm(f"Delete {name} ({what}, {size_text(saved.bytes)}) for good?", err=True)


@click.command()
@click.argument("name", type=PLAYBOOK)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option(
    "--at", type=click.IntRange(min=0), metavar="REVISION", help="As that revision left it."
)
@shared_options
@click.pass_obj
def export(workspace: Workspace, *, name: str, file: Path | None, at: int | None) -> None:
    """Write a playbook as Markdown into FILE or to stdout.

    FILE has to be a new one; - is stdout too. It can be edited and imported again; the
    revisions stay with the playbook.
    """
    if file == Path(STANDARD_OUTPUT):
        file = None
    if file is not None:
        _check_markdown(file)
        check_new(file, option="FILE")
    history = opened(workspace, name)
    playbook = history.playbook if at is None else history.playbook_at(at)
    text = markdown(playbook, name)
    if file is None:
        click.echo(printable(text), nl=False)
        return
    write_new(file, text, option="FILE")
    size = counted(len(playbook.bullets), "bullet")
    click.echo(one_line(f"Wrote {size} into {file}."), err=True)


def _check_markdown(file: Path) -> None:
    if file.suffix.lower() == ".json":
        raise click.UsageError(
            "export writes Markdown: name a file that ends in .md. The JSON of a playbook is its "
            "own file in the folder that `cl-workbench playbook list --json` names."
        )


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("name", type=PLAYBOOK)
@_json
@shared_options
@click.pass_obj
def import_(workspace: Workspace, *, file: Path, name: str, as_json: bool) -> None:
    """Add the bullets in FILE to the playbook NAME.

    The playbook is made if there is none. FILE is Markdown as `export` writes it, another
    playbook's .json, or a playbook of continual-learning-slm. A bullet that gives orders or holds
    an address waits for review.
    """
    history = _opened_or_new(workspace, name)
    if not file.is_file():  # such as a pipe or a device, which may never end
        raise PlaybookError(f"{one_line(str(file))} is no plain file: save it as one.")
    found = read_file(file)
    offered = import_into(history, found, limits(workspace), note=_note(file))
    _check_any_taken(file, offered)
    notes = (*found.notes, _taken(offered))
    keep(
        workspace,
        name,
        offered.history,
        offered.outcomes,
        as_json=as_json,
        notes=notes,
        brief=True,
    )


def _taken(offered: Offered) -> str:
    counts = verdict_counts(outcome for outcome in offered.outcomes if not outcome.by)
    held = f", {counts['held']} held for review" if counts["held"] else ""
    refused = f", {counts['refused']} refused" if counts["refused"] else ""
    return f"Took in {counted(counts['accepted'], 'bullet')}{held}{refused}."


def _note(file: Path) -> str:
    return f"imported {one_line(file.name)}".encode("utf-8", "replace").decode()


def _opened_or_new(workspace: Workspace, name: str) -> History:
    path = files.path_of(workspace.home.playbooks, name)
    return opened(workspace, name) if path.exists() else History.start()


def _check_any_taken(file: Path, offered: Offered) -> None:
    if any(outcome.verdict != "refused" for outcome in offered.outcomes):
        return
    first = offered.outcomes[0].why if offered.outcomes else "it holds none"
    bullets = counted(len(offered.outcomes), "bullet")
    raise PlaybookError(
        f"Nothing of {one_line(str(file))} was taken in ({bullets}; the first: {one_line(first)})."
    )
