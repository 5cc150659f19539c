"""The same question at several α, so that the dial is turned knowing what it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Footer, OptionList, Static

from cl_workbench.messages import StreamEnded
from cl_workbench.screens.overlays import Sheet
from cl_workbench.screens.trial_rows import TrialRows
from cl_workbench.streams import Stream, Streams
from cl_workbench.trials import answers_at, preview_alphas
from engines.protocol import Sampling, Turn
from widgets import figures
from widgets.answers_table import AnswerRow, AnswersTable
from widgets.plain_text import one_line

SAME = 5e-4


class AlphaPreviewScreen(Sheet[float | None]):
    """Answers from the base model's α 1 down to 0; returns the α chosen, or None.

    Leaving stops the answer that is being written; the engine's α is never changed here.

    Args:
        streams: runs the answers on the engine thread.
        turns: what is asked; the last turn is the question.
        sampling: how answers are written.
        in_use: the α of the engine now.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter", "use", "use this α", id="alpha_preview.use", priority=True,
            tooltip="Set the α of the marked row and leave",
        ),
        Binding("escape", "leave", "leave", id="alpha_preview.leave",
                tooltip="Stop and leave α as it is"),
    ]  # fmt: skip
    AUTO_FOCUS = "AnswersTable"

    def __init__(
        self, streams: Streams, turns: Sequence[Turn], sampling: Sampling, in_use: float
    ) -> None:
        super().__init__()
        self._streams = streams
        self._turns = tuple(turns)
        self._sampling = sampling
        self._in_use = in_use
        self._alphas = preview_alphas(in_use)
        self._answers = TrialRows(len(self._alphas))
        self._table = AnswersTable()
        self._stream: Stream | None = None

    def compose(self) -> ComposeResult:
        """Title, question, answers, state, keys."""
        yield Static(Content("α preview"), classes="sheet-title", markup=False)
        yield Static(
            Content(one_line(self._turns[-1].content)), classes="sheet-question", markup=False
        )
        yield self._table
        yield Static(Content(self._answers.state()), classes="sheet-state", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to ask; the cursor stands on the α in use."""
        self._draw()
        self._table.highlighted = self._alphas.index(self._in_use)
        turns, sampling, alphas = self._turns, self._sampling, self._alphas
        self._stream = self._streams.start(
            lambda engine: answers_at(engine, turns, sampling, alphas), self._take, self._ended
        )

    def action_use(self) -> None:
        """Choose the α of the marked row."""
        self._table.action_select()

    def action_leave(self) -> None:
        """Choose nothing."""
        self._leave(None)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Choose the α of the row."""
        self._leave(self._alphas[event.option_index])

    def _leave(self, alpha: float | None) -> None:
        if self._stream is not None:
            self._stream.stop()
        self.dismiss(alpha)

    def _take(self, event: object) -> None:
        self._answers.take(event)
        self._draw()
        self._tell(self._answers.state())

    def _ended(self, event: StreamEnded) -> None:
        stopped = "Stopped." if event.cancelled else "All answered."
        self._tell(event.failure or f"{stopped} α is still {figures.number(self._in_use)}.")

    def _draw(self) -> None:
        self._table.show_rows(
            [
                AnswerRow(self._heading(alpha), answer.cost, answer.text)
                for alpha, answer in zip(self._alphas, self._answers.answers, strict=True)
            ]
        )

    def _heading(self, alpha: float) -> str:
        names = {1.0: "the base model", 0.0: "all learned"}
        words = [f"α {figures.number(alpha)}"]
        words += [names[alpha]] if alpha in names else []
        words += ["in use"] if abs(alpha - self._in_use) < SAME else []
        return " · ".join(words)

    def _tell(self, text: str) -> None:
        self.query_one(".sheet-state", Static).update(Content(text))
