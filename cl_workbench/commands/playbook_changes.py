"""``playbook undo``, ``redo``, ``revert``, ``branch`` and ``edit``: each a new revision."""

from __future__ import annotations

from collections.abc import Sequence

import click

from cl_workbench.commands.options import PLAYBOOK, Workspace, shared_options
from cl_workbench.commands.playbook_keeping import keep, limits, opened
from cl_workbench.commands.playbook_text import operation_text
from cl_workbench.terminal_text import one_line
from engines.ace import revisions
from engines.ace.operations import Add, Operation, Remove, Update
from engines.ace.outcome import Outcome
from engines.ace.playbook import PlaybookError
from engines.ace.review import offer

_REVISION = click.IntRange(min=0)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command()
@click.argument("name", type=PLAYBOOK)
@_json
@shared_options
@click.pass_obj
def undo(workspace: Workspace, *, name: str, as_json: bool) -> None:
    """Take the last change back; what it was stays in the log."""
    keep(workspace, name, revisions.undo(opened(workspace, name)), as_json=as_json)


@click.command()
@click.argument("name", type=PLAYBOOK)
@_json
@shared_options
@click.pass_obj
def redo(workspace: Workspace, *, name: str, as_json: bool) -> None:
    """Take the last undo back."""
    keep(workspace, name, revisions.redo(opened(workspace, name)), as_json=as_json)


@click.command()
@click.argument("name", type=PLAYBOOK)
@click.argument("revision", type=_REVISION)
@_json
@shared_options
@click.pass_obj
def revert(workspace: Workspace, *, name: str, revision: int, as_json: bool) -> None:
    """Make the playbook what it was at REVISION.

    That is a change like any other, and undo takes it back.
    """
    keep(workspace, name, revisions.revert(opened(workspace, name), revision), as_json=as_json)


@click.command()
@click.argument("name", type=PLAYBOOK)
@click.argument("revision", type=_REVISION)
@_json
@shared_options
@click.pass_obj
def branch(workspace: Workspace, *, name: str, revision: int, as_json: bool) -> None:
    """Go on from REVISION as if nothing had come after it.

    What came after stays in the log. Unlike after revert, undo then goes to what was before
    REVISION.
    """
    keep(workspace, name, revisions.branch(opened(workspace, name), revision), as_json=as_json)


@click.command()
@click.argument("name", type=PLAYBOOK)
@click.option(
    "--add", "added", nargs=2, multiple=True, metavar="SECTION TEXT", help="Add a bullet."
)
@click.option(
    "--update",
    "updated",
    nargs=2,
    multiple=True,
    metavar="ID TEXT",
    help="Give a bullet another text; it keeps its id and votes.",
)
@click.option("--remove", "removed", multiple=True, metavar="ID", help="Take a bullet away.")
@_json
@shared_options
@click.pass_obj
def edit(
    workspace: Workspace,
    *,
    name: str,
    added: tuple[tuple[str, str], ...],
    updated: tuple[tuple[str, str], ...],
    removed: tuple[str, ...],
    as_json: bool,
) -> None:
    """Add, change or remove bullets by hand.

    Each option may be given several times. All of it becomes one revision, or nothing does if a
    part can't be done.
    """
    wanted: list[Operation] = [Add(section, text) for section, text in added]
    wanted += [Update(id_, text) for id_, text in updated]
    wanted += [Remove(id_) for id_ in removed]
    if not wanted:
        raise click.UsageError(
            "Say what to change: --add SECTION TEXT, --update ID TEXT or --remove ID."
        )
    history = opened(workspace, name)
    offered = offer(history, wanted, limits(workspace), origin="person")
    _check_all_done(name, offered.outcomes)
    keep(workspace, name, offered.history, offered.outcomes, as_json=as_json)


def _check_all_done(name: str, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.verdict != "accepted":
            what = operation_text(outcome.operation)
            raise PlaybookError(f"{name} stays as it is, since {one_line(outcome.why)}: {what}")
