"""One answer above or beside the others that it is held against."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from widgets.answers_table import BEGUN, WAITING
from widgets.plain_text import one_line, plain
from widgets.word_changes import marked


class HeldAnswer(VerticalScroll):
    """A heading and an answer that scrolls; words that ``other`` lacks there are marked."""

    DEFAULT_CSS = "HeldAnswer { & Static { height: auto; } }"

    text: reactive[str | None] = reactive(None)
    other: reactive[str | None] = reactive(None)

    def __init__(self, heading: str, *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._heading = Content.styled(one_line(heading), "bold $success")
        self._body = Static("", markup=False)

    def compose(self) -> ComposeResult:
        """Heading and words."""
        yield Static(self._heading, markup=False)
        yield self._body

    def watch_text(self) -> None:
        """Draw the words."""
        self._draw()

    def watch_other(self) -> None:
        """Mark other words."""
        self._draw()

    def _draw(self) -> None:
        text = plain(self.text or "").strip()
        if not text:
            self._body.update(WAITING if self.text is None else BEGUN)
        elif self.other is None:
            self._body.update(Content(text))
        else:
            self._body.update(marked(text, plain(self.other).strip()))
