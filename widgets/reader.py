"""Reading a document before the model does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Markdown, Static

from widgets.plain_text import one_line, plain

MAX_MARKDOWN = 24_000
"""Characters that are drawn as Markdown; more would hold up the screen, so it is plain text."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What to show of a file or folder: ``text`` as it is, ``note`` for what was left out."""

    title: str
    text: str
    note: str = ""
    form: Literal["text", "markdown"] = "text"


class Reader(Vertical):
    """A title, a note and the text, as Markdown where it is Markdown and not too long.

    Links are never opened and nothing in the text is read as the program's own markup.
    """

    DEFAULT_CSS = """
    Reader {
        & #reader-title { height: 1; text-style: bold; }
        & #reader-note { height: auto; color: $foreground 70%; }
        & VerticalScroll { height: 1fr; margin-top: 1; }
        & Markdown { padding: 0; }
    }
    """

    preview: reactive[Preview | None] = reactive(None)
    _composed = False

    def __init__(self, hint: str, *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._hint = hint

    def compose(self) -> ComposeResult:
        """Title, note, text."""
        yield Static(id="reader-title", markup=False)
        yield Static(id="reader-note", markup=False)
        with VerticalScroll(id="reader-text"):
            yield Static(id="reader-plain", markup=False)
            yield Markdown(open_links=False)

    def on_mount(self) -> None:
        """Draw the first state."""
        self._composed = True
        self._draw()

    @property
    def text_view(self) -> VerticalScroll:
        """The scrolled text, to focus it."""
        return self.query_one("#reader-text", VerticalScroll)

    def watch_preview(self) -> None:
        """Show another document from its beginning."""
        if self._composed:
            self._draw()

    @work(exclusive=True, group="reader", exit_on_error=False)
    async def _draw(self) -> None:
        preview = self.preview or Preview(self._hint, "")
        text = plain(preview.text)
        as_markdown = preview.form == "markdown" and len(text) <= MAX_MARKDOWN
        note = preview.note
        if preview.form == "markdown" and not as_markdown:
            note = f"{note}  Long Markdown is shown as plain text.".strip()
        self.query_one("#reader-title", Static).update(Content(one_line(preview.title)))
        self.query_one("#reader-note", Static).update(Content(one_line(note)))
        self.query_one("#reader-note").display = bool(note)
        body, markdown = self.query_one("#reader-plain", Static), self.query_one(Markdown)
        body.display, markdown.display = not as_markdown, as_markdown
        body.update(Content("" if as_markdown else text))
        await markdown.update(text if as_markdown else "")
        self.query_one("#reader-text").scroll_home(animate=False)
