"""The panes and where they stand: side by side where there is room, else one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Tab, Tabs

from widgets.chat_panel import ChatPanel
from widgets.documents_pane import DocumentsPane
from widgets.documents_tree import DocumentsTree
from widgets.learn_panel import LearnPanel
from widgets.ledger import Ledger
from widgets.reader import Reader

PaneName = Literal["documents", "learned", "learn", "chat", "read"]
PANES: tuple[PaneName, ...] = get_args(PaneName)
LEFT: tuple[PaneName, ...] = ("documents", "learned")


class Workspace(Container):
    """Documents and ledger at the left, learn, chat and read as tabs at the right.

    With ``one_pane`` all five are tabs and one fills the room.  ``pane`` is the one last
    turned to; posts ``Turned`` when it changes.
    """

    pane: reactive[PaneName] = reactive("documents")
    one_pane: reactive[bool] = reactive(False)

    @dataclass
    class Turned(Message):
        """Another pane is in front."""

        pane: PaneName

    def __init__(self, folder: Path, suffixes: frozenset[str], *, one_pane: bool = False) -> None:
        super().__init__(id="workspace")
        self.set_reactive(Workspace.one_pane, one_pane)
        self._right: PaneName = "learn"
        self._composed = False
        self.documents = DocumentsPane(folder, suffixes, widget_id="documents")
        self.ledger = Ledger(widget_id="learned")
        self.learn = LearnPanel(id="learn")
        self.chat = ChatPanel(id="chat")
        self.reader = Reader("Nothing chosen yet: move to a file in Documents.", widget_id="read")

    def compose(self) -> ComposeResult:
        """Every pane once; classes and tabs say which are seen."""
        with Vertical(id="left"):
            yield self.documents
            yield self.ledger
        yield Tabs(*(Tab(name.capitalize(), id=f"tab-{name}") for name in PANES), id="tabs")
        with Container(id="right"):
            yield self.learn
            yield self.chat
            yield self.reader

    def on_mount(self) -> None:
        """Name the left panes and draw the first arrangement."""
        self.documents.border_title = "Documents"
        self.ledger.border_title = "Learned"
        self._composed = True
        self._arrange()

    def watch_pane(self, pane: PaneName) -> None:
        """Bring the pane to the front."""
        if pane not in LEFT:
            self._right = pane
        self._arrange()
        self.post_message(self.Turned(pane))

    def watch_one_pane(self) -> None:
        """Arrange anew for another size."""
        self._arrange()

    @property
    def visible_panes(self) -> tuple[PaneName, ...]:
        """The panes that are on screen."""
        if self.one_pane:
            return (self.pane if self.pane in LEFT else self._right,)
        return (*LEFT, self._right)

    def turn_to(self, pane: PaneName, *, focus: bool = True) -> None:
        """Bring ``pane`` to the front; where it hides the focused one it is focused anyway."""
        hidden = pane not in self.visible_panes
        self.pane = pane
        if focus or (hidden and self.one_pane):
            self.focus_pane(pane)

    def focus_pane(self, pane: PaneName) -> None:
        """Put the cursor where one works in that pane, so that the very next key goes there."""
        targets = {
            "documents": self.documents.tree_of_files,
            "learned": self.ledger,
            "learn": self.learn,
            "read": self.reader.text_view,
        }
        if pane == "chat":
            self.chat.focus_question()
        else:
            # Not Widget.focus, which waits for a turn of the loop and lets a key slip by.
            self.screen.set_focus(targets[pane], scroll_visible=False)

    @on(Tabs.TabActivated)
    def _tab_activated(self, event: Tabs.TabActivated) -> None:
        event.stop()
        if event.tab.id != event.tabs.active:
            return  # another tab is active by now, as after a change of size
        name = (event.tab.id or "").removeprefix("tab-")
        if name in self.visible_panes or name not in PANES:
            return
        self.pane = name

    def _arrange(self) -> None:
        if not self._composed:
            return
        visible = self.visible_panes
        self.set_class(self.one_pane, "-one-pane")
        for name in PANES:
            self.query_one(f"#{name}").display = name in visible
        self.query_one("#left").display = any(name in visible for name in LEFT)
        self.query_one("#right").display = any(name not in LEFT for name in visible)
        self._arrange_tabs()

    def _arrange_tabs(self) -> None:
        tabs = self.query_one(Tabs)
        front = self.visible_panes[-1]
        for name in LEFT:
            tabs.query_one(f"#tab-{name}", Tab).display = self.one_pane
        if tabs.active != f"tab-{front}":
            tabs.active = f"tab-{front}"

    @property
    def tree_of_files(self) -> DocumentsTree:
        """The tree of documents."""
        return self.documents.tree_of_files
