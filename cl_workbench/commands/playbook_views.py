"""``playbook list``, ``show``, ``diff`` and ``log``: reading, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import click

from cl_workbench.commands.console import json_line
from cl_workbench.commands.options import PLAYBOOK, Workspace, shared_options
from cl_workbench.commands.playbook_text import (
    bullet_lines,
    diff_lines,
    diff_record,
    is_coloured,
    outcome_record,
    outcome_text,
    verdict_counts,
)
from cl_workbench.commands.table import Column, aligned, figure, size_text, time_text
from cl_workbench.terminal_text import one_line
from engines.ace import files
from engines.ace.bullet import Bullet
from engines.ace.diff import diff as difference_of
from engines.ace.files import SavedPlaybook
from engines.ace.playbook import Playbook, PlaybookError
from engines.ace.review import pending
from engines.ace.revisions import History, Revision
from engines.ace.rows import bullet_row
from engines.ace.sections import section_name
from engines.decoding import counted

_REVISION = click.IntRange(min=0)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command(name="list")
@_json
@shared_options
@click.pass_obj
def list_(workspace: Workspace, as_json: bool) -> None:
    """List the playbooks by name."""
    folder = workspace.home.playbooks
    found = files.listing(folder)
    if as_json:
        click.echo(json_line({"folder": str(folder), "playbooks": [asdict(one) for one in found]}))
        return
    if not found:
        how = "`cl-workbench learn PATH --engine ace --playbook NAME`"
        click.echo(one_line(f"No playbook in {folder} yet: {how}."))
        return
    sound = [one for one in found if one.fault is None]
    if sound:
        _echo(aligned(_LISTED, [_listed(one) for one in sound]))
    _echo(f"{one.name}: {one.fault}" for one in found if one.fault is not None)


_LISTED = (
    Column("NAME"),
    Column("BULLETS", right=True),
    Column("REVISIONS", right=True),
    Column("WAITING", right=True),
    Column("SIZE", right=True),
    Column("SAVED"),
)


def _listed(one: SavedPlaybook) -> list[str]:
    return [
        one.name,
        f"{one.bullets:,}",
        f"{one.revisions:,}",
        f"{one.pending:,}",
        size_text(one.bytes),
        time_text(one.saved_at),
    ]


_SORTED: dict[str, Callable[[Bullet], Any]] = {
    "helpful": lambda bullet: (-bullet.helpful, bullet.harmful),
    "harmful": lambda bullet: (-bullet.harmful, bullet.helpful),
    "age": lambda bullet: (bullet.created, bullet.number),
    "id": lambda bullet: bullet.number,
}


@click.command()
@click.argument("name", type=PLAYBOOK)
@click.option("--at", type=_REVISION, metavar="REVISION", help="As that revision left it.")
@click.option("--section", metavar="S", help="Only the bullets of section S.")
@click.option("--search", metavar="WORDS", help="Only bullets with all of these words.")
@click.option(
    "--sort",
    type=click.Choice(("section", *_SORTED)),
    default="section",
    show_default=True,
    help="The order: helpful and harmful most first, age oldest first.",
)
@_json
@shared_options
@click.pass_obj
def show(
    workspace: Workspace,
    *,
    name: str,
    at: int | None,
    section: str | None,
    search: str | None,
    sort: str,
    as_json: bool,
) -> None:
    """Show the bullets of a playbook."""
    history = files.load(workspace.home.playbooks, name)
    revision = history.head if at is None else history.revision(at)
    playbook = history.playbook if at is None else history.playbook_at(at)
    found = _matching(playbook, section, search)
    if sort != "section":
        found = sorted(found, key=_SORTED[sort])
    waiting = len(pending(history))
    if as_json:
        record = {
            "playbook": name,
            "revision": revision.number,
            "revisions": len(history.revisions),
            "bullets_in_all": len(playbook.bullets),
            "waiting": waiting,
            "bullets": [bullet_row(bullet) for bullet in found],
        }
        click.echo(json_line(record))
        return
    click.echo(_headline(name, revision, playbook, waiting))
    _echo(line for bullet in found for line in bullet_lines(bullet))
    if len(found) < len(playbook.bullets):
        click.echo(f"{len(found)} of {counted(len(playbook.bullets), 'bullet')} shown.")


def _headline(name: str, revision: Revision, playbook: Playbook, waiting: int) -> str:
    size = f"{counted(len(playbook.bullets), 'bullet')} in "
    size += counted(len(playbook.sections), "section")
    waits = f", {waiting} waiting: `cl-workbench playbook review {name}`" if waiting else ""
    when = f"revision {revision.number} of {time_text(revision.at)}"
    return f"{name}: {size}, {when}{waits}"


def _matching(playbook: Playbook, section: str | None, search: str | None) -> list[Bullet]:
    found = list(playbook.bullets)
    if section is not None:
        wanted = _known_section(playbook, section)
        found = [bullet for bullet in found if bullet.section == wanted]
    words = (search or "").casefold().split()
    return [b for b in found if all(w in f"{b.id} {b.section} {b.text}".casefold() for w in words)]


def _known_section(playbook: Playbook, asked: str) -> str:
    try:
        wanted = section_name(asked)
    except ValueError:
        wanted = ""
    if wanted in playbook.sections:
        return wanted
    there = ", ".join(playbook.sections) or "none, as the playbook is empty"
    raise PlaybookError(f"There is no section '{one_line(asked)[:80]}'; there are {there}.")


@click.command()
@click.argument("name", type=PLAYBOOK)
@click.argument("a", type=_REVISION, required=False)
@click.argument("b", type=_REVISION, required=False)
@_json
@shared_options
@click.pass_obj
def diff(workspace: Workspace, *, name: str, a: int | None, b: int | None, as_json: bool) -> None:
    """Show what changed from revision A to B.

    B is the latest by default, and A what B was made from. + is a bullet that was added, - one
    that was removed, ~ one that changed: [-words that went-]{+words that came+} and its votes.
    """
    history = files.load(workspace.home.playbooks, name)
    after = history.head if b is None else history.revision(b)
    before = _parent(history, after) if a is None else history.revision(a)
    playbooks = history.playbook_at(before.number), history.playbook_at(after.number)
    found = difference_of(*playbooks)
    if as_json:
        ends = {"playbook": name, "from": before.number, "to": after.number}
        click.echo(json_line(ends | diff_record(found)))
        return
    click.echo(f"{name}: revision {before.number} → {after.number}")
    if not found:
        click.echo("Nothing differs.")
    for line in diff_lines(found, coloured=is_coloured()):
        click.echo(line)


def _parent(history: History, revision: Revision) -> Revision:
    # What an undo or redo changed is told against what was there just before it.
    number = revision.number - 1 if revision.restores is not None else revision.parent
    return revision if number is None else history.revision(number)


@click.command()
@click.argument("name", type=PLAYBOOK)
@click.option("--verbose", is_flag=True, help="With each operation, its verdict and the reason.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The last N revisions.")
@_json
@shared_options
@click.pass_obj
def log(
    workspace: Workspace, *, name: str, verbose: bool, limit: int | None, as_json: bool
) -> None:
    """List every revision, the newest first."""
    history = files.load(workspace.home.playbooks, name)
    revisions = history.revisions[::-1][:limit]
    if as_json:
        rows = [_logged_record(revision, verbose) for revision in revisions]
        click.echo(json_line({"playbook": name, "revisions": rows}))
        return
    heading, *lines = aligned(_LOGGED, [_logged(revision) for revision in revisions])
    click.echo(heading)
    for revision, line in zip(revisions, lines, strict=True):
        click.echo(line)
        if verbose:
            _echo(f"      {outcome_text(outcome)}" for outcome in revision.outcomes)


_LOGGED = (
    Column("NO", right=True),
    Column("WHEN"),
    Column("ORIGIN"),
    Column("SCORE", right=True),
    Column("ACCEPTED", right=True),
    Column("REFUSED", right=True),
    Column("HELD", right=True),
    Column("NOTE"),
)


def _logged(revision: Revision) -> list[str]:
    counts = verdict_counts(revision.outcomes)
    return [
        str(revision.number),
        time_text(revision.at),
        revision.origin,
        figure(revision.score, ".0%"),
        *(str(counts[verdict] or "-") for verdict in ("accepted", "refused", "held")),
        revision.note or _asked(revision),
    ]


def _asked(revision: Revision) -> str:
    question = revision.source.question
    return f"asked '{question[:80]}'" if question else ""


def _logged_record(revision: Revision, verbose: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "number": revision.number,
        "parent": revision.parent,
        "restores": revision.restores,
        "at": revision.at,
        "origin": revision.origin,
        "note": revision.note,
        "score": revision.score,
        "document": revision.source.document,
        "question": revision.source.question,
        "loop": revision.source.loop,
        **verdict_counts(revision.outcomes),
    }
    if verbose:
        record["operations"] = [outcome_record(outcome) for outcome in revision.outcomes]
    return record


def _echo(lines: Iterable[str] | Iterator[str] | Sequence[str]) -> None:
    for line in lines:
        click.echo(line)
