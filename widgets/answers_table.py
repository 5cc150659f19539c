"""Several answers to one question, one below the other, each under what it was asked with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from widgets.plain_text import one_line, plain
from widgets.word_changes import marked

WAITING = "waiting"
BEGUN = "…"


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One answer: ``text`` is None before it has begun.

    Where ``compared_with`` is given, the words that it doesn't have there are marked.
    """

    heading: str
    note: str = ""
    text: str | None = None
    compared_with: str | None = None


class AnswersTable(OptionList):
    """Rows with a cursor; enter or a click posts ``OptionSelected`` with the row's index."""

    DEFAULT_CSS = "AnswersTable { height: 1fr; border: none; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="answers.down"),
        Binding("k", "cursor_up", "Up", show=False, id="answers.up"),
    ]

    def __init__(self, *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id, markup=False)
        self._rows: tuple[AnswerRow, ...] = ()

    @property
    def rows(self) -> tuple[AnswerRow, ...]:
        """What is shown, from the top."""
        return self._rows

    def show_rows(self, rows: Sequence[AnswerRow]) -> None:
        """Draw the rows that changed; the cursor stays where it was."""
        old, self._rows = self._rows, tuple(rows)
        if len(old) != len(self._rows):
            cursor = self.highlighted
            self.set_options(Option(_drawn(row)) for row in self._rows)
            self.highlighted = None if not rows else min(cursor or 0, len(rows) - 1)
            return
        for index, (was, row) in enumerate(zip(old, self._rows, strict=True)):
            if was != row:
                self.replace_option_prompt_at_index(index, _drawn(row))


def _drawn(row: AnswerRow) -> Content:
    heading = Content.styled(one_line(row.heading), "bold $success")
    if row.note:
        heading += Content.styled(f"   {one_line(row.note)}", "$foreground 70%")
    return Content("\n").join([heading, _answer(row)])


def _answer(row: AnswerRow) -> Content:
    if row.text is None:
        return Content.styled(WAITING, "$foreground 50%")
    text = plain(row.text).strip()
    if not text:
        return Content.styled(BEGUN, "$foreground 50%")
    return Content(text) if row.compared_with is None else marked(text, plain(row.compared_with))
