"""Changing a saved playbook: read it, change it, save it, and say what it is now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from cl_workbench import assembly
from cl_workbench.commands.console import json_line
from cl_workbench.commands.options import Workspace
from cl_workbench.commands.playbook_text import outcome_record, outcome_text
from cl_workbench.terminal_text import one_line
from engines.ace import files
from engines.ace.limits import Limits
from engines.ace.outcome import Outcome
from engines.ace.review import pending
from engines.ace.revisions import History
from engines.ace.settings import limits_of
from engines.decoding import counted


def opened(workspace: Workspace, name: str) -> History:
    """The playbook ``name`` with its revisions.

    Raises:
        PlaybookError: if there is none, or it can't be read.
    """
    return files.load(workspace.home.playbooks, name)


def limits(workspace: Workspace) -> Limits:
    """What a change is held to, from the ``ace`` settings."""
    return limits_of(assembly.ace_settings(workspace.settings))


def keep(
    workspace: Workspace,
    name: str,
    history: History,
    outcomes: Sequence[Outcome] = (),
    *,
    as_json: bool,
    notes: Sequence[str] = (),
    brief: bool = False,
) -> None:
    """Save ``history`` under ``name`` and print what the playbook is now.

    ``brief`` leaves out, for people, the operations that were simply carried out.

    Raises:
        PlaybookError: if another program changed it meanwhile.
        EngineError: if it can't be written.
    """
    files.save(workspace.home.playbooks, name, history)
    head, waiting = history.head, len(pending(history))
    if as_json:
        record: dict[str, Any] = {
            "playbook": name,
            "revision": head.number,
            "origin": head.origin,
            "note": head.note,
            "bullets": len(history.playbook.bullets),
            "waiting": waiting,
            "operations": [outcome_record(outcome) for outcome in outcomes],
            "notes": list(notes),
        }
        click.echo(json_line(record))
        return
    told = [one for one in outcomes if not brief or one.verdict != "accepted" or one.by]
    for line in (*map(outcome_text, told), *map(one_line, notes)):
        click.echo(line)
    why = f" ({one_line(head.note)})" if head.note else ""
    waits = f", {waiting} waiting" if waiting else ""
    size = counted(len(history.playbook.bullets), "bullet")
    click.echo(f"{name} is at revision {head.number} now{why}: {size}{waits}.")
