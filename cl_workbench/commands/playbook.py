"""``cl-workbench playbook``: what ACE learned, read and changed without a model."""

from __future__ import annotations

import click

from cl_workbench.commands.options import shared_options
from cl_workbench.commands.playbook_changes import branch, edit, redo, revert, undo
from cl_workbench.commands.playbook_files import delete, export, import_, rename
from cl_workbench.commands.playbook_review import review
from cl_workbench.commands.playbook_views import diff, list_, log, show


@click.group()
@shared_options
def playbook() -> None:
    """See, change and take back the playbooks of ACE; no model is loaded.

    A playbook is a file of short rules with every change as a revision. `learn --engine ace
    --playbook NAME` makes one.
    """


for _command in (
    list_, show, diff, log, review, undo, redo, revert, branch, edit, rename, delete, export,
    import_,
):  # fmt: skip
    playbook.add_command(_command)
