"""Records in aligned columns with a cursor, laid out for the width there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from widgets.plain_text import fitted, one_line

_GAP = 2


@dataclass(frozen=True, slots=True)
class RecordColumn:
    """A column; where there is no room it is cut down to ``least`` cells if that is given.

    If that is not enough, columns are left out, those with the highest ``drop`` first;
    one with ``drop`` 0 always stays.
    """

    heading: str
    right: bool = False
    least: int | None = None
    drop: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """One row: a cell per column, a sentence below them where something is wrong, a mark."""

    cells: tuple[str, ...]
    fault: str = ""
    marked: bool = False


class RecordOptions(OptionList):
    """The rows of a table; j and k move as the arrows do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="records.down"),
        Binding("k", "cursor_up", "Up", show=False, id="records.up"),
    ]


class RecordTable(Vertical):
    """A line of headings over the rows; ``empty`` is said where there are none.

    Posts ``OptionList.OptionHighlighted`` and ``OptionSelected`` with the row's index.
    """

    DEFAULT_CSS = """
    RecordTable {
        & .record-headings { height: 1; padding: 0 1; color: $foreground 60%; }
        & RecordOptions { height: 1fr; }
    }
    """

    def __init__(
        self, columns: Sequence[RecordColumn], empty: str, *, widget_id: str | None = None
    ) -> None:
        super().__init__(id=widget_id)
        self._columns = tuple(columns)
        self._empty = empty
        self._records: tuple[Record, ...] = ()
        self._headings = Static("", classes="record-headings", markup=False)
        self.options = RecordOptions(markup=False)

    def compose(self) -> ComposeResult:
        """Headings and rows."""
        yield self._headings
        yield self.options

    @property
    def records(self) -> tuple[Record, ...]:
        """What is shown, from the top."""
        return self._records

    @property
    def cursor(self) -> int | None:
        """The index of the row under the cursor; None where there is no row."""
        return self.options.highlighted if self._records else None

    def show_records(self, records: Sequence[Record], cursor: int | None = None) -> None:
        """Replace the rows; the cursor stays where it was unless ``cursor`` is given."""
        self._records = tuple(records)
        self._draw(self.options.highlighted if cursor is None else cursor)

    def on_resize(self) -> None:
        """Lay the columns out anew."""
        self._draw(self.options.highlighted)

    def _draw(self, cursor: int | None) -> None:
        if not self._records:
            self._headings.update("")
            empty = Content.styled(self._empty, "$foreground 60%")
            self.options.set_options([Option(empty, disabled=True)])
            return
        widths = self._widths()
        headings = [column.heading for column in self._columns]
        self._headings.update(Content("  " + _line(self._columns, headings, widths)))
        rows = (_drawn(self._columns, record, widths) for record in self._records)
        self.options.set_options(Option(row) for row in rows)
        self.options.highlighted = min(cursor or 0, len(self._records) - 1)

    def _widths(self) -> list[int]:
        """The width of each column, 0 where it is left out."""
        cells = [[one_line(cell) for cell in record.cells] for record in self._records]
        widths = [
            max(cell_len(column.heading), *(cell_len(row[index]) for row in cells))
            for index, column in enumerate(self._columns)
        ]
        # One cell of padding at each side, the mark, and one for a scroll bar.
        return fit_columns(self._columns, widths, max(self.size.width - 5, 20))


def fit_columns(columns: Sequence[RecordColumn], widths: Sequence[int], room: int) -> list[int]:
    """``widths`` cut to ``room`` cells: the widest that may shrink first, then left out."""
    fitted_widths = list(widths)
    while (over := _total(fitted_widths) - room) > 0:
        shrinkable = [
            index
            for index, column in enumerate(columns)
            if column.least is not None and fitted_widths[index] > column.least
        ]
        if shrinkable:
            widest = max(shrinkable, key=lambda index: fitted_widths[index])
            least = columns[widest].least or 1
            fitted_widths[widest] -= min(over, fitted_widths[widest] - least)
            continue
        droppable = [i for i, column in enumerate(columns) if column.drop and fitted_widths[i]]
        if not droppable:
            break
        fitted_widths[max(droppable, key=lambda index: columns[index].drop)] = 0
        # What was cut for it may have its room again.
        fitted_widths = [w if f else 0 for w, f in zip(widths, fitted_widths, strict=True)]
    return fitted_widths


def _total(widths: Sequence[int]) -> int:
    shown = [width for width in widths if width]
    return sum(shown) + _GAP * (len(shown) - 1)


def _drawn(columns: Sequence[RecordColumn], record: Record, widths: Sequence[int]) -> Content:
    mark = ("● ", "$accent") if record.marked else ("  ", "")
    style = "$foreground 60%" if record.fault else ""
    content = Content.assemble(mark, (_line(columns, record.cells, widths), style))
    if record.fault:
        content += Content.styled(f"\n  {one_line(record.fault)}", "$error")
    return content


def _line(columns: Sequence[RecordColumn], cells: Sequence[str], widths: Sequence[int]) -> str:
    parts = []
    for column, cell, width in zip(columns, cells, widths, strict=True):
        if width:
            text = fitted(one_line(cell), width)
            space = " " * (width - cell_len(text))
            parts.append(space + text if column.right else text + space)
    return (" " * _GAP).join(parts).rstrip()
