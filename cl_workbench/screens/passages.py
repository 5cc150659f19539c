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
from cl_workbench.screens.found import bias_lines, passage_rows
from cl_workbench.screens.overlays import Sheet
from engines.protocol import Retrieval
from widgets import figures
from widgets.passages import PassageList, PassageRow, passage_text
from widgets.plain_text import one_line

SIDE_BY_SIDE = 100
NOTHING = "No passage was found for this question."


class PassagesScreen(Sheet[None]):
    """The passages in the order of their rank, and the marked one in full.

    Args:
        answer: what an answer carried; its retrieval is shown.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "leave", id="found.leave", tooltip="Go back"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-stacked"), (SIDE_BY_SIDE, "-beside")]  # noqa: RUF012
    AUTO_FOCUS = "PassageList"

    def __init__(self, answer: AnswerEnded) -> None:
        super().__init__()
        self._retrieval = answer.retrieval or Retrieval("")
        self._rows = passage_rows(self._retrieval, answer.citations)
        self._bias = bias_lines(self._retrieval, answer.nudges)
        self._list = PassageList(self._rows, widget_id="passage-list")
        self._text = Static("", markup=False)

    def compose(self) -> ComposeResult:
        """Title, question, what to know, the list and the marked passage, biases, keys."""
        title = "Passages: what the answer could rest on"
        yield Static(Content(title), classes="sheet-title", markup=False)
        query = one_line(self._retrieval.query)
        yield Static(Content(query), classes="sheet-question", markup=False)
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
        self.query_one("#passages").visible = bool(self._rows)
        if self._rows:
            self._list.highlighted = 0

    @on(OptionList.OptionHighlighted)
    def _marked(self) -> None:
        if (row := self._list.marked) is not None:
            self._text.update(passage_text(row))
            self.query_one("#passage-text").scroll_home(animate=False)

    def _about(self) -> Content:
        lines = [_counted(self._rows, self._retrieval.context_tokens)]
        if self._retrieval.note:
            lines.append(Content.styled(one_line(self._retrieval.note), "$warning"))
        return Content("\n").join(lines)


def _counted(rows: tuple[PassageRow, ...], context_tokens: int) -> Content:
    if not rows:
        return Content(NOTHING)
    used = sum(row.reference is not None for row in rows)
    return Content(
        f"{used} of {len(rows)} in the context, {figures.count(context_tokens)} tokens; "
        "rank, score, place, passage:"
    )
