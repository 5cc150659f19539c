"""The tree of documents with its filter."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.timer import Timer
from textual.widgets import Input

from widgets.documents_tree import DocumentsTree

_PAUSE_SECONDS = 0.15


class FilterInput(Input):
    """Where the filter is typed; escape empties it and goes back to the tree."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave the filter", show=False, id="filter.leave"),
        Binding("down", "to_tree", "To the files", show=False, id="filter.to_tree"),
    ]

    def action_leave(self) -> None:
        """Empty the filter and go to the tree."""
        self.value = ""
        self.action_to_tree()

    def action_to_tree(self) -> None:
        """Go to the tree and keep the filter."""
        self.screen.query_one(DocumentsTree).focus()


class DocumentsPane(Vertical):
    """A filter above the tree; typing waits a moment before the disk is searched."""

    DEFAULT_CSS = """
    DocumentsPane {
        & FilterInput { height: 1; border: none; padding: 0 1; }
        & DocumentsTree { height: 1fr; }
    }
    """

    def __init__(
        self, folder: Path, suffixes: frozenset[str], *, widget_id: str | None = None
    ) -> None:
        super().__init__(id=widget_id)
        self._tree = DocumentsTree(folder, suffixes)
        self._pause: Timer | None = None

    def compose(self) -> ComposeResult:
        """Filter and tree."""
        yield FilterInput(placeholder="/ filter", compact=True)
        yield self._tree

    @property
    def tree_of_files(self) -> DocumentsTree:
        """The tree itself."""
        return self._tree

    def focus_filter(self) -> None:
        """Begin to type a filter."""
        self.screen.set_focus(self.query_one(FilterInput), scroll_visible=False)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(_PAUSE_SECONDS, self._apply)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._apply()
        self._tree.focus()

    def _apply(self) -> None:
        self._tree.filter = self.query_one(FilterInput).value
