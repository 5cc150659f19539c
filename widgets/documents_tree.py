"""The files one can learn, as a tree that reads a folder only when it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Tree
from textual.widgets.tree import TreeNode
from textual.worker import get_current_worker

from widgets import figures
from widgets.folder_listing import FolderEntry, FolderListing, find_files, leads_back, list_folder
from widgets.plain_text import fitted, one_line

_MARK_WIDTH = 2
_SHARE_WIDTH = 5


@dataclass(frozen=True, slots=True)
class Note:
    """A line of the tree that is no file, such as how many were left out."""

    text: str


Data = FolderEntry | Note


class DocumentsTree(Tree[Data]):
    """Folders and files with a supported suffix below one folder.

    ``marks`` says what is known of a path: 1.0 is learned, a smaller share is being
    learned.  With ``filter`` set, the matching files anywhere below are listed instead.
    Posts ``Chosen`` when the cursor comes to rest and ``Opened`` on enter.
    """

    DEFAULT_CSS = """
    DocumentsTree {
        & .documents-tree--learned { color: $success; }
        & .documents-tree--learning { color: $accent; }
        & .documents-tree--note { color: $foreground 60%; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "documents-tree--learned",
        "documents-tree--learning",
        "documents-tree--note",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="documents.down"),
        Binding("k", "cursor_up", "Up", show=False, id="documents.up"),
        Binding(
            "u", "up_folder", "Up a folder", show=False, id="documents.parent",
            tooltip="Show the folder above the topmost one",
        ),
        Binding(
            "f5", "reload", "Read again", show=False, id="documents.reload",
            tooltip="Read the folders from the disk again",
        ),
    ]  # fmt: skip

    filter: reactive[str] = reactive("", init=False)
    marks: reactive[Mapping[Path, float]] = reactive(dict, init=False)

    @dataclass
    class Chosen(Message):
        """The cursor rests on ``path``."""

        path: Path
        is_folder: bool

    @dataclass
    class Opened(Message):
        """Enter or a click on the file ``path``."""

        path: Path

    def __init__(
        self, folder: Path, suffixes: frozenset[str], *, widget_id: str | None = None
    ) -> None:
        super().__init__(_folder_label(folder), FolderEntry(folder, is_folder=True), id=widget_id)
        self.folder = folder
        self.suffixes = suffixes
        self.guide_depth = 2
        self.auto_expand = True

    @property
    def chosen(self) -> FolderEntry | None:
        """The file or folder under the cursor."""
        data = self.cursor_node.data if self.cursor_node else None
        return data if isinstance(data, FolderEntry) else None

    def on_mount(self) -> None:
        """Open the topmost folder."""
        self.root.expand()

    def watch_marks(self) -> None:
        """Redraw the labels."""
        self._clear_line_cache()
        self.refresh()

    def watch_filter(self, text: str) -> None:
        """List the matching files, or the folder again once the filter is empty."""
        if text.strip():
            self._find(text.strip())
        else:
            self.action_reload()

    def action_reload(self) -> None:
        """Forget what was read and read the topmost folder again."""
        self.reset(_folder_label(self.folder), FolderEntry(self.folder, is_folder=True))
        self.root.expand()
        self._read(self.root)

    def action_up_folder(self) -> None:
        """Make the parent folder the topmost one."""
        self.show_folder(self.folder.absolute().parent)

    def show_folder(self, folder: Path) -> None:
        """Make ``folder`` the topmost one."""
        self.folder = folder
        self.action_reload()

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[Data]) -> None:
        """Read a folder the first time it is opened."""
        event.stop()
        if not event.node.children and not self.filter.strip():
            self._read(event.node)

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[Data]) -> None:
        """Tell which file or folder the cursor is on."""
        event.stop()
        if isinstance(event.node.data, FolderEntry):
            self.post_message(self.Chosen(event.node.data.path, event.node.data.is_folder))

    def on_tree_node_selected(self, event: Tree.NodeSelected[Data]) -> None:
        """Tell that a file was opened."""
        event.stop()
        if isinstance(event.node.data, FolderEntry) and not event.node.data.is_folder:
            self.post_message(self.Opened(event.node.data.path))

    @work(thread=True, group="read-folder", exit_on_error=False)
    def _read(self, node: TreeNode[Data]) -> None:
        data = node.data
        if not isinstance(data, FolderEntry):
            return
        if data.path != self.folder and leads_back(data.path, self.folder):
            listing = FolderListing((), reason="a link back to a folder above")
        else:
            listing = list_folder(data.path, self.suffixes)
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._fill, node, listing, data.path)

    @work(thread=True, group="find-files", exclusive=True, exit_on_error=False)
    def _find(self, text: str) -> None:
        worker = get_current_worker()
        listing = find_files(
            self.folder, text, self.suffixes, stop=lambda: bool(worker.is_cancelled)
        )
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show_matches, text, listing)

    def _show_matches(self, text: str, listing: FolderListing) -> None:
        if text != self.filter.strip():
            return
        self.reset(_folder_label(self.folder), FolderEntry(self.folder, is_folder=True))
        self.root.expand()
        self._fill(self.root, listing, self.folder)
        if self.root.children and isinstance(self.root.children[0].data, FolderEntry):
            self.call_after_refresh(self.move_cursor, self.root.children[0])

    def _fill(self, node: TreeNode[Data], listing: FolderListing, base: Path) -> None:
        node.remove_children()
        for entry in listing.entries:
            label = Text(one_line(str(entry.path.relative_to(base))))
            node.add(label, entry, allow_expand=entry.is_folder)
        for text in _remarks(listing):
            node.add_leaf(Text(text), Note(text))

    def render_label(self, node: TreeNode[Data], base_style: Style, style: Style) -> Text:
        """Draw the name with its mark: ``●`` learned, a percentage while learning."""
        data = node.data
        if not isinstance(data, FolderEntry):
            note = self.get_component_rich_style("documents-tree--note", partial=True)
            return Text(str(node.label), style + note)
        if data.is_folder:
            arrow = "▾ " if node.is_expanded else "▸ "
            return Text.assemble((arrow, base_style), (str(node.label), style))
        share = self.marks.get(data.path)
        label = self._file_label(one_line(data.path.name), share, style)
        if above := node.parent and _folders_between(node.parent.data, data.path):
            # A match lies deeper: its name comes first, since the line may be cut.
            note = self.get_component_rich_style("documents-tree--note", partial=True)
            label.append(f"  {above}", style + note)
        return label

    def _file_label(self, name: str, share: float | None, style: Style) -> Text:
        if share is None:
            return Text(f"  {name}", style)
        done = share >= 1
        kind = "documents-tree--learned" if done else "documents-tree--learning"
        mark = style + self.get_component_rich_style(kind, partial=True)
        if done:
            return Text.assemble(("● ", mark), (name, style))
        room = max(self.size.width - _MARK_WIDTH - _SHARE_WIDTH - 2 * self.guide_depth, 8)
        return Text.assemble(
            ("● ", mark), (fitted(name, room), style), (f" {figures.percent(share):>4}", mark)
        )


def _folders_between(above: Data | None, path: Path) -> str:
    if not isinstance(above, FolderEntry) or path.parent == above.path:
        return ""
    return one_line(str(path.parent.relative_to(above.path)))


def _folder_label(folder: Path) -> Text:
    return Text(one_line(folder.absolute().name or str(folder)))


def _remarks(listing: FolderListing) -> list[str]:
    remarks = []
    if not listing.entries and listing.reason is None:
        remarks.append("nothing to learn here")
    if listing.reason is not None:
        remarks.append(listing.reason)
    if listing.left_out:
        remarks.append(f"{listing.left_out:,} more: filter with /")
    return remarks
