"""What was ever learned, the newest first, and how it is written into a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Footer, OptionList, Static

from cl_workbench.commands.table import time_text
from cl_workbench.history import History, LearnedRow
from cl_workbench.history_export import csv_text, held_out_change, json_text
from cl_workbench.screens.exporting import ask_file
from cl_workbench.screens.overlays import Sheet
from engines.atomic import write_atomically
from engines.protocol import EngineError
from widgets import figures
from widgets.plain_text import one_line
from widgets.record_table import Record, RecordColumn, RecordTable

ENDINGS = (".csv", ".json")
COLUMNS = (
    RecordColumn("WHEN"),
    RecordColumn("TITLE", least=12),
    RecordColumn("TOKENS", right=True, drop=1),
    RecordColumn("LOSS", right=True),
    RecordColumn("HELD-OUT", right=True),
    RecordColumn("KEPT", right=True),
    RecordColumn("TIME", right=True, drop=2),
    RecordColumn("ENGINE", drop=3),
)


class HistoryScreen(Sheet[None]):
    """A table of every document learned in this home, with more of the marked one below.

    Args:
        history: where the rows are.
        exports: the folder for files that are written by name.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "export", "export", id="history.export",
                tooltip="Write the history into a CSV or JSON file"),
        Binding("escape", "leave", "leave", id="history.leave", tooltip="Go back"),
    ]  # fmt: skip
    AUTO_FOCUS = "RecordOptions"

    def __init__(self, history: History, exports: Path) -> None:
        super().__init__()
        self._history = history
        self._exports = exports
        self._rows: list[LearnedRow] = []
        empty = "Nothing was learned yet: esc leaves, then l learns the chosen document."
        self._table = RecordTable(COLUMNS, empty)

    def compose(self) -> ComposeResult:
        """Title, table, more of the marked row, state, keys."""
        yield Static(Content("Learning history"), classes="sheet-title", markup=False)
        yield self._table
        yield Static("", classes="sheet-detail", markup=False)
        yield Static("", classes="sheet-state", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Read the rows."""
        self._read()

    @work(exclusive=True, group="history")
    async def _read(self) -> None:
        try:
            rows = await asyncio.to_thread(self._history.rows)
        except EngineError as error:
            self._tell(str(error))
            return
        self._rows = rows[::-1]
        self._table.show_records([Record(_cells(row)) for row in self._rows], cursor=0)
        self._draw_detail()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is nothing to export of an empty history."""
        return bool(self._rows) if action == "export" else True

    @on(OptionList.OptionHighlighted)
    def _draw_detail(self) -> None:
        cursor = self._table.cursor
        if cursor is not None and cursor < len(self._rows):
            detail = Content("\n").join(map(Content, _detail(self._rows[cursor])))
            self.query_one(".sheet-detail", Static).update(detail)

    @work(exclusive=True, group="dialog")
    async def action_export(self) -> None:
        """Write all rows into a file, in the order of learning."""
        title = "Export the history (.csv or .json)"
        path = await ask_file(self.app, title, self._exports, "history.csv", ENDINGS)
        if path is None:
            return
        rows = self._rows[::-1]
        text = json_text(rows) if path.suffix.lower() == ".json" else csv_text(rows)
        try:
            await asyncio.to_thread(write_atomically, path, text)
        except EngineError as error:
            self._tell(str(error))
        else:
            self._tell(f"Wrote {len(rows)} row{'s' if len(rows) != 1 else ''} to {path}.")

    def action_leave(self) -> None:
        """Go back."""
        self.dismiss(None)

    def _tell(self, text: str) -> None:
        self.query_one(".sheet-state", Static).update(Content(one_line(text)))


def _cells(row: LearnedRow) -> tuple[str, ...]:
    return (
        time_text(row.learned_at),
        row.title,
        figures.count(row.tokens_read),
        f"{figures.number(row.loss_before)} → {figures.number(row.loss_after)}",
        figures.signed_percent(held_out_change(row)),
        figures.percent(row.answers_kept),
        figures.duration(row.seconds),
        row.engine,
    )


def _detail(row: LearnedRow) -> list[str]:
    facts = [
        f"{figures.count(row.tokens_read)} of {figures.count(row.tokens)} tokens",
        f"{figures.duration(row.seconds)} at {figures.rate(row.tokens_per_second)}",
        f"objective {one_line(row.objective or figures.ABSENT)}",
        f"α {figures.number(row.alpha)}",
        f"{figures.percent(row.gate_open_share)} open",
    ]
    lines = [
        one_line(row.title),
        f"{one_line(row.engine)} on {one_line(row.model)}",
        "   ".join(facts),
        one_line(row.path or "no file"),
    ]
    return lines + [one_line(note) for note in row.notes.splitlines()[:2]]
