"""Writing a bullet: its section where it is new, and its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static, TextArea

from cl_workbench.screens.overlays import Dialog
from engines.ace.bullet import clean_text
from engines.ace.limits import DEFAULT_BULLET_CHARACTERS
from engines.ace.sections import DEFAULT_SECTIONS, section_name
from widgets.plain_text import one_line


class BulletText(TextArea):
    """The text of a bullet over several lines; it is one line, so enter keeps it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "screen.keep", "Keep", show=False, priority=True, id="bullet.keep"),
        Binding("ctrl+u", "clear_before", "Clear", show=False, id="bullet.clear"),
    ]

    def action_clear_before(self) -> None:
        """Delete all that is before the cursor: the lines that are seen are one."""
        self.delete((0, 0), self.cursor_location)


class EditBulletScreen(Dialog[tuple[str, str] | None]):
    """Section and text of a bullet; returns both, or None.

    Args:
        title: what is being written.
        text: the text to begin with.
        section: asked for where it is given, beginning with this one.
        sections: those to choose from.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", id="bullet.leave"),
    ]

    def __init__(
        self, title: str, text: str = "", section: str | None = None, sections: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self._title = title
        self._section = section
        self._sections = [*dict.fromkeys([*sections, *DEFAULT_SECTIONS])]
        self._text = BulletText(
            one_line(text), soft_wrap=True, tab_behavior="focus", show_line_numbers=False,
            highlight_cursor_line=False,
        )  # fmt: skip

    def compose(self) -> ComposeResult:
        """Title, section where it is asked for, text, its length, fault."""
        with Vertical():
            yield Static(Content(one_line(self._title)), classes="dialog-title", markup=False)
            if self._section is not None:
                sections = ", ".join(map(one_line, self._sections[:8]))
                yield Static(Content(f"Section, such as {sections}"), markup=False)
                yield Input(
                    self._section, suggester=SuggestFromList(self._sections), id="bullet-section",
                    select_on_focus=True,
                )  # fmt: skip
                yield Static(Content("Text"), markup=False)
            yield self._text
            yield Static("", id="bullet-length", markup=False)
            yield Static("", classes="dialog-fault", markup=False)
            keys = "enter keeps it   esc leaves"
            if self._section is not None:
                keys = "enter keeps it   tab to the other line   esc leaves"
            yield Static(Content(keys), classes="dialog-keys", markup=False)

    def on_mount(self) -> None:
        """To the end of the text."""
        self._text.move_cursor(self._text.document.end)
        if self._section is None or self._section:
            self._text.focus()

    @on(TextArea.Changed)
    @on(Input.Changed)
    def _changed(self) -> None:
        length = len(one_line(self._text.text))
        style = "$error" if length > DEFAULT_BULLET_CHARACTERS else "$foreground 60%"
        said = f"{length:,} of {DEFAULT_BULLET_CHARACTERS} characters"
        self.query_one("#bullet-length", Static).update(Content.styled(said, style))
        self._tell("")

    @on(Input.Submitted)
    def _to_text(self) -> None:
        self._text.focus()

    def action_keep(self) -> None:
        """Return what was written, if a bullet can be made of it."""
        section = self._section or ""
        try:
            if self._section is not None:
                section = section_name(self.query_one("#bullet-section", Input).value)
            text = clean_text(self._text.text, DEFAULT_BULLET_CHARACTERS)
        except ValueError as error:
            fault = str(error)
            self._tell(f"{fault[:1].upper()}{fault[1:]}.")
        else:
            self.dismiss((section, text))

    def action_leave(self) -> None:
        """Leave without a bullet."""
        self.dismiss(None)

    def _tell(self, text: str) -> None:
        self.query_one(".dialog-fault", Static).update(Content(text))
