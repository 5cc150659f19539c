"""What was retrieved for the last answer: every passage, its place, and what was biased."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Footer, OptionList, Static

from cl_workbench.messages import AnswerEnded
from cl_workbench.screens.found import bias_lines, moved_tokens, passage_rows
from cl_workbench.screens.overlays import Sheet
from engines.protocol import Retrieval
from widgets import figures
from widgets.lifted_answer import answer_text, legend
from widgets.passages import Columns, PassageList, PassageRow, passage_text
from widgets.plain_text import one_line

SIDE_BY_SIDE = 100
NOTHING = "No passage was found for this question."


class PassagesScreen(Sheet[None]):
    """The answer with the tokens that were lifted, the passages, and the marked one in full.

    The answer is there only if logits were moved while it was written.  The passages stand
    in the order of their rank; what the marked one lifted is marked in the answer.

    Args:
        answer: what an answer carried.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "leave", id="found.leave", tooltip="Go back"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-stacked"), (SIDE_BY_SIDE, "-beside")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012
    AUTO_FOCUS = "PassageList"

    def __init__(self, answer: AnswerEnded) -> None:
        super().__init__()
        self._retrieval = answer.retrieval or Retrieval("")
        self._answer = answer.text.rstrip()
        self._moved = moved_tokens(answer)
        self._rows = passage_rows(self._retrieval, answer.citations, self._moved)
        self._bias = bias_lines(self._retrieval, self._moved)
        self._said = Static("", markup=False)
        self._list = PassageList(self._rows, widget_id="passage-list")
        self._text = Static("", markup=False)

    def compose(self) -> ComposeResult:
        """Title, question, answer, what to know, passages, the marked one, biases, keys."""
        title = "Passages: what the answer could rest on"
        yield Static(Content(title), classes="sheet-title", markup=False)
        query = one_line(self._retrieval.query)
        yield Static(Content(query), classes="sheet-question", markup=False)
        if self._moved:
            with VerticalScroll(id="lifted-answer"):
                yield self._said
            yield Static(Content(legend(self._moved)), classes="sheet-legend", markup=False)
        yield Static(self._about(), classes="sheet-about", markup=False)
        with Container(id="passages"):
            yield self._list
            with VerticalScroll(id="passage-text"):
                yield self._text
        state = Content("\n".join(self._bias))
        yield Static(state, classes="sheet-state", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Mark the best passage."""
        self._draw_answer(None)
        self.query_one("#passages").visible = bool(self._rows)
        if self._rows:
            self._list.highlighted = 0

    @on(OptionList.OptionHighlighted)
    def _marked(self) -> None:
        if (row := self._list.marked) is not None:
            self._draw_answer(self._list.highlighted)
            self._text.update(passage_text(row))
            self.query_one("#passage-text").scroll_home(animate=False)

    def _draw_answer(self, marked: int | None) -> None:
        self._said.update(answer_text(self._answer, self._moved, marked))

    def _about(self) -> Content:
        note = Content.styled(one_line(self._retrieval.note or ""), "$warning")
        if not self._rows:
            return note if note.plain else Content(NOTHING)
        counted = Content(_counted(self._rows, self._retrieval.context_tokens))
        return Content("\n").join([note, counted]) if note.plain else counted


def _counted(rows: tuple[PassageRow, ...], context_tokens: int) -> str:
    columns = Columns.of(rows)
    used = sum(row.reference is not None for row in rows)
    if not used:
        return f"{len(rows)} found, none in the context; {columns.heading}"
    return (
        f"{used} of {len(rows)} in the context, {figures.count(context_tokens)} tokens; "
        f"{columns.heading}"
    )
