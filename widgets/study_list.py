"""Study items in a list: what is asked, what should be answered, and why one was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from widgets.plain_text import one_line


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One item; ``reason`` says why it is not used, where it is not."""

    kind: str
    prompt: str
    answer: str
    reason: str = ""


class StudyList(OptionList):
    """Items with a cursor under a title that counts them; ``empty`` is said where there is none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="study.down"),
        Binding("k", "cursor_up", "Up", show=False, id="study.up"),
    ]

    def __init__(self, title: str, empty: str, *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id, markup=False)
        self._title = title
        self._empty = empty
        self._rows: tuple[StudyRow, ...] = ()

    @property
    def rows(self) -> tuple[StudyRow, ...]:
        """What is shown, from the top."""
        return self._rows

    @property
    def cursor(self) -> int | None:
        """The index of the row under the cursor."""
        return self.highlighted if self._rows else None

    def show_rows(self, rows: Sequence[StudyRow], cursor: int | None = None) -> None:
        """Replace the rows; the cursor stays where it was unless ``cursor`` is given."""
        wanted = self.highlighted if cursor is None else cursor
        self._rows = tuple(rows)
        self.border_title = f"{self._title} {len(self._rows)}"
        if not self._rows:
            empty = Content.styled(self._empty, "$foreground 60%")
            self.set_options([Option(empty, disabled=True)])
            return
        self.set_options(Option(_drawn(n, row)) for n, row in enumerate(self._rows, start=1))
        self.highlighted = min(wanted or 0, len(self._rows) - 1)


def _drawn(number: int, row: StudyRow) -> Content:
    lines = [
        Content.assemble(
            (f"{number} {row.kind}  ", "$foreground 60%"), (one_line(row.prompt), "bold")
        ),
        Content.assemble(("→ ", "$foreground 60%"), (one_line(row.answer), "$success")),
    ]
    if row.reason:
        lines.append(Content.styled(one_line(row.reason), "$warning"))
    return Content("\n").join(lines)
