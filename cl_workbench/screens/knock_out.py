"""What an answer rests on: the same question without each learned document in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Footer, OptionList, Static

from cl_workbench.messages import StreamEnded
from cl_workbench.screens.overlays import Sheet
from cl_workbench.screens.trial_rows import TrialAnswer, TrialRows
from cl_workbench.streams import Stream, Streams
from cl_workbench.trials import answers_without
from engines.protocol import LearnReport, Sampling, Turn
from widgets.answer_pair import HeldAnswer
from widgets.answers_table import AnswerRow, AnswersTable
from widgets.plain_text import one_line
from widgets.word_changes import changed_words

SIDE_BY_SIDE = 100


class KnockOutScreen(Sheet[None]):
    """The answer with everything, and below or beside it one without each document.

    Words that differ are marked in both; nothing learned is lost by looking.

    Args:
        streams: runs the answers on the engine thread.
        turns: what is asked; the last turn is the question.
        sampling: how answers are written.
        documents: what is left out, one at a time, in this order.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave", id="knock_out.leave",
                tooltip="Stop and go back; everything learned is still there"),
    ]  # fmt: skip
    HORIZONTAL_BREAKPOINTS = [(0, "-stacked"), (SIDE_BY_SIDE, "-beside")]  # noqa: RUF012
    AUTO_FOCUS = "AnswersTable"

    def __init__(
        self,
        streams: Streams,
        turns: Sequence[Turn],
        sampling: Sampling,
        documents: Sequence[LearnReport],
    ) -> None:
        super().__init__()
        self._streams = streams
        self._turns = tuple(turns)
        self._sampling = sampling
        self._documents = tuple(documents)
        self._answers = TrialRows(len(self._documents) + 1)
        self._differences: dict[int, int] = {}  # of each finished answer, by its row
        self._whole = HeldAnswer("With everything learned", widget_id="whole")
        self._table = AnswersTable()
        self._stream: Stream | None = None

    def compose(self) -> ComposeResult:
        """Title, question, the answer with everything, those without, state, keys."""
        yield Static(
            Content("Knock-out: what the answer rests on"), classes="sheet-title", markup=False
        )
        yield Static(
            Content(one_line(self._turns[-1].content)), classes="sheet-question", markup=False
        )
        with Container(id="knock-out"):
            yield self._whole
            yield self._table
        yield Static(Content(self._answers.state()), classes="sheet-state", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to ask."""
        self._draw()
        turns, sampling = self._turns, self._sampling
        ids = [report.id for report in self._documents]
        self._stream = self._streams.start(
            lambda engine: answers_without(engine, turns, sampling, ids), self._take, self._ended
        )

    def action_leave(self) -> None:
        """Stop and go back."""
        if self._stream is not None:
            self._stream.stop()
        self.dismiss(None)

    @on(OptionList.OptionHighlighted)
    def _highlighted(self) -> None:
        self._mark_whole()

    def _take(self, event: object) -> None:
        self._answers.take(event)
        self._draw()
        self._tell(self._answers.state())

    def _ended(self, event: StreamEnded) -> None:
        stopped = "Stopped." if event.cancelled else self._summary()
        self._tell(event.failure or stopped)

    def _draw(self) -> None:
        whole, *without = self._answers.answers
        self._whole.text = whole.text
        self._table.show_rows(
            [
                self._row(index, report, whole, answer)
                for index, (report, answer) in enumerate(zip(self._documents, without, strict=True))
            ]
        )
        self._mark_whole()

    def _row(
        self, index: int, report: LearnReport, whole: TrialAnswer, answer: TrialAnswer
    ) -> AnswerRow:
        heading = f"Without {one_line(report.title)}"
        if not answer.done:
            return AnswerRow(heading, "", answer.text)
        if index not in self._differences:  # comparing is slow, and this is drawn at each token
            self._differences[index] = _changes(whole, answer)
        difference = _difference(self._differences[index])
        return AnswerRow(heading, difference, answer.text, whole.text)

    def _mark_whole(self) -> None:
        """Mark the words that the row under the cursor lost."""
        cursor = self._table.highlighted
        answer = self._answers.answers[cursor + 1] if cursor is not None else None
        self._whole.other = answer.text if answer is not None and answer.done else None

    def _summary(self) -> str:
        changed = [
            one_line(report.title)
            for index, report in enumerate(self._documents)
            if self._differences.get(index)
        ]
        if not changed:
            return "No single document changes this answer."
        count = len(changed)
        which = (
            f"{count} of {len(self._documents)} documents"
            if len(self._documents) > 1
            else "The document"
        )
        return f"{which} change{'s' if count == 1 else ''} this answer: {', '.join(changed)}."

    def _tell(self, text: str) -> None:
        self.query_one(".sheet-state", Static).update(Content(text))


def _changes(whole: TrialAnswer, answer: TrialAnswer) -> int:
    """How many words of the one or the other differ, whichever is more."""
    first, second = whole.text or "", answer.text or ""
    return max(changed_words(first, second)[0], changed_words(second, first)[0])


def _difference(count: int) -> str:
    return f"{count} word{'s differ' if count != 1 else ' differs'}" if count else "the same answer"
