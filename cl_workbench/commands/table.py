"""Columns of text for people, aligned by what a terminal draws and safe to print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from cl_workbench.terminal_text import one_line

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, whether it is set flush right, and its width in cells at most."""

    heading: str
    right: bool = False
    most: int | None = None


def aligned(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, headings first; text that is too wide is cut with an ellipsis."""
    cells = [[column.heading for column in columns]]
    cells += [[_cut(one_line(text), c.most) for text, c in zip(row, columns, strict=True)]
              for row in rows]  # fmt: skip
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(columns))]
    return [_line(columns, row, widths) for row in cells]


def figure(value: float | None, form: str = ".2f") -> str:
    """``value`` in the format ``form``, a dash where there is none."""
    return "-" if value is None else format(value, form)


def size_text(size: int | None) -> str:
    """``3.2 MB``; below a tenth of a megabyte in kB."""
    if size is None:
        return "-"
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"


def time_text(stamp: str | None) -> str:
    """``2025-01-01 12:00`` of an ISO time, in the time zone of this machine."""
    from datetime import datetime

    if stamp is None:
        return "-"
    try:
        return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return stamp


def _cut(text: str, most: int | None) -> str:
    if most is None or cell_len(text) <= most:
        return text
    return set_cell_size(text, most - 1).rstrip() + "…"


def _line(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int]) -> str:
    parts = []
    for column, text, width in zip(columns, row, widths, strict=True):
        space = " " * (width - cell_len(text))
        parts.append(space + text if column.right else text + space)
    return _GAP.join(parts).rstrip()
