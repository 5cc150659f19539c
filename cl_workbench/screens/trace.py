"""What the roles said in the latest learns."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Footer, Input, OptionList, Static

from cl_workbench.commands.table import time_text
from cl_workbench.screens.exporting import ask_file, safe_stem
from cl_workbench.screens.overlays import Sheet
from cl_workbench.screens.trace_rows import rows_of
from engines.ace.trace import Trace
from engines.atomic import write_atomically
from engines.protocol import EngineError
from widgets import figures
from widgets.plain_text import one_line
from widgets.record_table import RecordTable
from widgets.role_turns import COLUMNS, RoleTurnRow, filtered, turn_text

ENDINGS = (".md", ".json")
ROLES = ("", "generator", "reflector", "curator", "writer")
SIDE_BY_SIDE = 140
EMPTY = "No learn was traced in this session: esc leaves, then l or Q learns the chosen document."
_REST_SECONDS = 0.05  # a text is drawn once the cursor rests, so that moving it stays quick


class TraceScreen(Sheet[None]):
    """Each turn of each role: what it was asked, what it said, what came of it.

    Args:
        traces: oldest first.
        exports: the folder that a trace is written into.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "learn(1)", "earlier", id="trace.earlier", key_display="[",
                tooltip="Show the learn before this one"),
        Binding("right_square_bracket", "learn(-1)", "later", id="trace.later", key_display="]",
                tooltip="Show the learn after this one"),
        Binding("f", "role", "role", id="trace.role", tooltip="Show the turns of one role"),
        Binding("slash", "search", "search", id="trace.search", key_display="/",
                tooltip="Show the turns that hold some words"),
        Binding("tab", "app.focus_next", "list/text", id="trace.next",
                tooltip="Go from the list to the text and back"),
        Binding("X", "export", "export", id="trace.export",
                tooltip="Write the whole trace into a Markdown or JSON file"),
        Binding("escape", "leave", "leave", id="trace.leave",
                tooltip="Leave the search, or go back"),
    ]  # fmt: skip
    HORIZONTAL_BREAKPOINTS = [(0, "-stacked"), (SIDE_BY_SIDE, "-beside")]  # noqa: RUF012
    AUTO_FOCUS = "RecordOptions"
    CSS = """
    TraceScreen {
        & #trace { height: 1fr; }
        & #trace-text Static { height: auto; }
        & #trace-search { height: 1; border: none; padding: 0 1; }
        &.-stacked #trace { layout: vertical; }
        &.-stacked RecordTable { height: 40%; min-height: 5; }
        &.-stacked #trace-text { height: 1fr; border-top: solid $border-blurred; }
        &.-stacked #trace-text:focus { border-top: solid $border; }
        &.-beside #trace { layout: grid; grid-size: 2 1; grid-columns: 2fr 3fr; }
        &.-beside #trace-text { border-left: solid $border-blurred; }
        &.-beside #trace-text:focus { border-left: solid $border; }
    }
    """

    def __init__(self, traces: Sequence[Trace], exports: Path) -> None:
        super().__init__()
        self._traces = tuple(reversed(traces))
        self._exports = exports
        self._learn = 0
        self._role = ""
        self._all: tuple[RoleTurnRow, ...] = ()
        self._rows: list[RoleTurnRow] = []
        self._table = RecordTable(
            COLUMNS, "Nothing fits: esc leaves the search, f shows all roles."
        )
        self._text = Static("", markup=False)
        self._rest: Timer | None = None

    def compose(self) -> ComposeResult:
        """Title, which learn, the search, its turns, the marked one, state, keys."""
        yield Static(Content("Trace: what the roles said"), classes="sheet-title", markup=False)
        yield Static("", classes="sheet-about", markup=False)
        yield Input(placeholder="words to look for", id="trace-search", compact=True)
        with Container(id="trace"):
            yield self._table
            with VerticalScroll(id="trace-text", can_focus=True):
                yield self._text
        yield Static("", classes="sheet-state", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Show the latest learn."""
        self._search.display = False
        self.query_one("#trace").visible = bool(self._traces)
        if self._traces:
            self._show_learn()
        else:
            self._about(Content(EMPTY))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done with what is there."""
        if action == "learn":
            step = parameters[0] if parameters else 0
            return isinstance(step, int) and 0 <= self._learn + step < len(self._traces)
        return bool(self._traces) if action in {"role", "search", "export"} else True

    # Which turns

    def action_learn(self, step: int) -> None:
        """Show an earlier learn, or a later one."""
        self._learn += step
        self._show_learn()
        self.refresh_bindings()

    def _show_learn(self) -> None:
        self._all = rows_of(self._traces[self._learn])
        self._filter()

    def action_role(self) -> None:
        """Show the turns of the next role alone, or of all again."""
        there = [role for role in ROLES if not role or any(r.role == role for r in self._all)]
        place = there.index(self._role) if self._role in there else 0
        self._role = there[(place + 1) % len(there)]
        self._filter()

    def action_search(self) -> None:
        """Begin to search."""
        self._search.display = True
        self._search.focus()

    @on(Input.Changed)
    @work(exclusive=True, group="filter")
    async def _filter(self) -> None:
        """The rows that fit; a long trace is searched beside the screen's loop."""
        words = one_line(self._search.value)
        rows = await asyncio.to_thread(filtered, self._all, self._role, words)
        self._rows = rows
        self._table.show_records([row.record() for row in rows], cursor=0)
        self._about(self._counted())
        self._draw_marked()

    @on(Input.Submitted)
    def _searched(self) -> None:
        self.set_focus(self._table.options)

    # The marked one

    @on(OptionList.OptionHighlighted)
    def _moved(self) -> None:
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(_REST_SECONDS, self._draw_marked)

    @on(OptionList.OptionSelected)
    def _selected(self) -> None:
        self.query_one("#trace-text").focus()

    def _draw_marked(self) -> None:
        cursor = self._table.cursor
        marked = cursor is not None and cursor < len(self._rows)
        scroll = self.query_one("#trace-text", VerticalScroll)
        width = scroll.scrollable_content_region.width
        self._text.update(turn_text(self._rows[cursor or 0], width) if marked else Content())
        scroll.scroll_home(animate=False)

    # Writing and leaving

    @work(exclusive=True, group="dialog")
    async def action_export(self) -> None:
        """Write the whole trace into a file."""
        trace = self._traces[self._learn]
        name = f"trace-{safe_stem(trace.title)}.md"
        title = "Export the trace (.md to read it, .json with all there is)"
        path = await ask_file(self.app, title, self._exports, name, ENDINGS)
        if path is None:
            return
        make = trace.to_json if path.suffix.lower() == ".json" else trace.to_markdown
        try:
            await asyncio.to_thread(lambda: write_atomically(path, make()))
        except EngineError as error:
            self._tell(str(error))
        else:
            self._tell(f"Wrote {_turns(trace)} to {path}.")

    def action_leave(self) -> None:
        """Leave the search, or go back."""
        if self._search.display:
            self._search.value = ""
            self._search.display = False
            self.set_focus(self._table.options)
        else:
            self.dismiss(None)

    @property
    def _search(self) -> Input:
        return self.query_one("#trace-search", Input)

    def _counted(self) -> Content:
        trace = self._traces[self._learn]
        which = f"learn {self._learn + 1} of {len(self._traces)}: "
        when = f"   {time_text(trace.started_at)}"
        model = f"{one_line(trace.model)} {one_line(trace.where)}"
        shown = _turns(trace)
        if self._role or self._search.value:
            of = f" of the {self._role}" if self._role else ""
            shown = f"{len(self._rows):,} shown{of}, of {shown}"
        spent = sum(row.tokens for row in self._all)
        return Content.assemble(
            which, (one_line(trace.title), "bold"), when,
            f"\n{shown}, {figures.count(spent)} tokens, {model}", _cut(trace),
        )  # fmt: skip

    def _about(self, text: Content) -> None:
        self.query_one(".sheet-about", Static).update(text)

    def _tell(self, text: str) -> None:
        self.query_one(".sheet-state", Static).update(Content(one_line(text)))


def _turns(trace: Trace) -> str:
    count = len(trace.turns)
    return f"{count:,} turn{'' if count == 1 else 's'}"


def _cut(trace: Trace) -> str:
    if not trace.shortened:
        return ""
    return f"; the {trace.shortened:,} oldest are kept in short, the trace got too long"
