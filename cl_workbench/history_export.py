"""The learning history as CSV or JSON, the same from the command line and the screen."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from cl_workbench.commands.console import json_line
from cl_workbench.history import COLUMNS, LearnedRow
from cl_workbench.terminal_text import one_line


def csv_text(rows: Sequence[LearnedRow]) -> str:
    """A line of column names and one line per row."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = asdict(row)
        writer.writerow([_cell(values[name]) for name in COLUMNS])
    return stream.getvalue()


def record(row: LearnedRow) -> dict[str, Any]:
    """One row as plain values for JSON, with the relative change of the held-out loss."""
    return {
        **asdict(row),
        "held_out_change": held_out_change(row),
        "settings": json.loads(row.settings),
        "notes": row.notes.splitlines(),
    }


def json_text(rows: Sequence[LearnedRow]) -> str:
    """One JSON object whose ``history`` lists the rows."""
    return json_line({"history": [record(row) for row in rows]}) + "\n"


def held_out_change(row: LearnedRow) -> float | None:
    """By which share the held-out loss changed; None where that isn't known."""
    before, after = row.held_out_loss_before, row.held_out_loss_after
    if before is None or after is None or before == 0:
        return None
    return (after - before) / before


def _cell(value: Any) -> Any:
    return "; ".join(map(one_line, value.splitlines())) if isinstance(value, str) else value
