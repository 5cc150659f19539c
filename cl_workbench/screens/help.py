"""The keys, as they are bound: made from the bindings, so it can't be out of date."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from cl_workbench.screens.overlays import Dialog

_KEY_WIDTH = 12


class HelpScreen(Dialog[None]):
    """Groups of bindings, each with its key and what it does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,question_mark,q", "dismiss", "Close", id="help.close"),
        Binding("j,down", "scroll(1)", "Down", show=False, id="help.down"),
        Binding("k,up", "scroll(-1)", "Up", show=False, id="help.up"),
    ]

    def __init__(self, groups: Iterable[tuple[str, Iterable[BindingType]]]) -> None:
        super().__init__()
        self._groups = [(title, Binding.make_bindings(bindings)) for title, bindings in groups]

    def compose(self) -> ComposeResult:
        """One text that can be scrolled."""
        with Vertical():
            yield Static(Content("Keys"), classes="dialog-title", markup=False)
            with VerticalScroll():
                yield Static(self._text(), markup=False)
            yield Static(
                Content("esc closes   ctrl+p lists every command   the mouse works too"),
                classes="dialog-keys",
                markup=False,
            )

    def action_scroll(self, direction: int) -> None:
        """Scroll by a line."""
        self.query_one(VerticalScroll).scroll_relative(y=direction, animate=False)

    def _text(self) -> Content:
        lines: list[Content] = []
        for title, bindings in self._groups:
            lines.append(Content.styled(title, "bold $accent"))
            lines += [_line(keys, text) for keys, text in _merged(self.app, bindings)]
            lines.append(Content())
        return Content("\n").join(lines[:-1])


def _merged(app: App[object], bindings: Iterable[Binding]) -> list[tuple[str, str]]:
    """Keys with the same action on one line."""
    keys: dict[tuple[str, str], list[str]] = {}
    for binding in bindings:
        text = binding.tooltip or binding.description
        keys.setdefault((binding.action, text), []).append(app.get_key_display(binding))
    return [(" ".join(dict.fromkeys(shown)), text) for (_, text), shown in keys.items()]


def _line(keys: str, text: str) -> Content:
    return Content.assemble((f"  {keys:<{_KEY_WIDTH}}", "bold"), (text, ""))
