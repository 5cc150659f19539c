"""The keys of the playbook's screen: each under an id by which it can be remapped."""

from __future__ import annotations

from textual.binding import Binding, BindingType

BULLETS: list[BindingType] = [
    Binding("slash", "search", "search", id="playbook.search", key_display="/",
            tooltip="Show only bullets with these words in id, section or text"),
    Binding("s", "sort", "sort", id="playbook.sort",
            tooltip="Sort by section, most helpful, most harmful, newest, id"),
    Binding("a", "add", "add", id="playbook.add", tooltip="Write a bullet"),
    Binding("e", "edit", "edit", id="playbook.edit",
            tooltip="Change the text of the marked bullet"),
    Binding("d,x,delete", "remove", "remove", id="playbook.remove",
            tooltip="Remove the marked bullet, after asking"),
]  # fmt: skip

REVIEW: list[BindingType] = [
    Binding("y", "accept", "accept", id="playbook.accept", tooltip="Accept the marked operation"),
    Binding("n", "reject", "reject", id="playbook.reject", tooltip="Reject the marked operation"),
    Binding("e", "amend", "edit, accept", id="playbook.amend",
            tooltip="Change the text of the marked operation, then accept it"),
    Binding("Y", "accept_all", "accept all", id="playbook.accept_all",
            tooltip="Accept everything that waits, after asking"),
    Binding("N", "reject_all", "reject all", id="playbook.reject_all",
            tooltip="Reject everything that waits, after asking"),
]  # fmt: skip

CHANGES: list[BindingType] = [
    Binding("m", "mark", "mark", id="playbook.mark",
            tooltip="Mark a revision, to see how others differ from it; again to unmark it"),
    Binding("v", "revert", "revert to", id="playbook.revert",
            tooltip="Make the playbook what it was at the marked revision"),
    Binding("b", "branch", "branch", id="playbook.branch",
            tooltip="Go on from the marked revision as if what came after had not been"),
]  # fmt: skip

ALL: list[BindingType] = [
    Binding("u", "undo", "undo", id="playbook.undo", tooltip="Take the last change back"),
    Binding("ctrl+r", "redo", "redo", id="playbook.redo", key_display="^r",
            tooltip="Take the last undo back"),
    Binding("f1,question_mark", "help", "help", id="playbook.help", key_display="F1",
            tooltip="Show the keys"),
    Binding("escape", "leave", "leave", id="playbook.leave",
            tooltip="End the search, or go back"),
    Binding("J", "scroll(3)", "scroll", id="playbook.scroll_down", key_display="J K",
            tooltip="Scroll what is told of the marked one"),
    Binding("K", "scroll(-3)", "scroll up", show=False, id="playbook.scroll_up",
            tooltip="Scroll it back"),
    Binding("w", "write", "save", id="playbook.write", tooltip="Save the playbook under a name"),
    Binding("o", "open", "open", id="playbook.open",
            tooltip="Open, rename or delete a saved playbook"),
    Binding("X", "export", "export", id="playbook.export",
            tooltip="Write the playbook into a Markdown file"),
    Binding("i", "import", "import", id="playbook.import",
            tooltip="Add the bullets of a file: Markdown, or a playbook's JSON"),
    Binding("1", "pane(0)", "bullets", show=False, id="playbook.bullets",
            tooltip="Show the bullets"),
    Binding("2", "pane(1)", "review", show=False, id="playbook.review",
            tooltip="Show what waits for a decision"),
    Binding("3", "pane(2)", "changes", show=False, id="playbook.changes",
            tooltip="Show every change"),
    Binding("tab", "turn(1)", "next view", show=False, id="playbook.next",
            tooltip="Show the next view"),
    Binding("shift+tab", "turn(-1)", "view before", show=False, id="playbook.previous",
            tooltip="Show the view before"),
]  # fmt: skip

OF_PANE = (
    frozenset({"search", "sort", "add", "edit", "remove"}),
    frozenset({"accept", "reject", "amend", "accept_all", "reject_all"}),
    frozenset({"mark", "revert", "branch"}),
)
"""What can be done in each view and in no other."""
