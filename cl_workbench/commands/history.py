"""``cl-workbench history``: what was learned so far, as a table, JSON or CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cl_workbench.commands.figures import relative_change, signed_percent
from cl_workbench.commands.new_file import check_new, write_new
from cl_workbench.commands.options import Workspace, shared_options
from cl_workbench.commands.table import Column, aligned, figure, time_text
from cl_workbench.terminal_text import one_line

if TYPE_CHECKING:
    from cl_workbench.history import LearnedRow

SHOWN = 20


@click.command()
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help=f"The last N documents.  [default: {SHOWN} as a table, else all]",
    metavar="N",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@click.option(
    "--write",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write into FILE, a new one; its ending .csv or .json stands for that option.",
)
@shared_options
@click.pass_obj
def history(
    workspace: Workspace, *, limit: int | None, as_json: bool, as_csv: bool, file: Path | None
) -> None:
    """Show what was learned, when, with what, and what it cost."""
    from cl_workbench.history import History

    if as_json and as_csv:
        raise click.UsageError("Choose --json or --csv.")
    if file is not None:
        check_new(file)
        if not (as_json or as_csv):
            as_json, as_csv = (file.suffix.lower() == ending for ending in (".json", ".csv"))
    whole = as_json or as_csv or file is not None
    rows = History(workspace.home.history).rows(limit or (None if whole else SHOWN))
    text = _text(rows, as_json=as_json, as_csv=as_csv)
    if file is not None:
        write_new(file, text)
        click.echo(one_line(f"Wrote {len(rows)} rows into {file}."), err=True)
    elif not rows and not (as_json or as_csv):
        click.echo("Nothing was learned in this home yet: `cl-workbench learn PATH`.")
    else:
        click.echo(text, nl=False)


def _text(rows: Sequence[LearnedRow], *, as_json: bool, as_csv: bool) -> str:
    from cl_workbench.history_export import csv_text, json_text

    if as_json:
        return json_text(rows)
    return csv_text(rows) if as_csv else _table(rows)


_COLUMNS = (
    Column("LEARNED"),
    Column("TITLE", most=28),
    Column("TOKENS", right=True),
    Column("LOSS", right=True),
    Column("AFTER", right=True),
    Column("HELD-OUT", right=True),
    Column("KEPT", right=True),
    Column("SECONDS", right=True),
    Column("OBJECTIVE", most=12),
    Column("MODEL", most=24),
)


def _table(rows: Sequence[LearnedRow]) -> str:
    return "\n".join(aligned(_COLUMNS, [_cells(row) for row in rows])) + "\n"


def _cells(row: LearnedRow) -> list[str]:
    rise = relative_change(row.held_out_loss_before, row.held_out_loss_after)
    return [
        time_text(row.learned_at),
        row.title,
        figure(row.tokens_read, ",d"),
        figure(row.loss_before),
        figure(row.loss_after),
        "-" if rise is None else signed_percent(rise),
        figure(row.answers_kept, ".0%"),
        figure(row.seconds, ".1f"),
        row.objective or "-",
        row.model,
    ]
