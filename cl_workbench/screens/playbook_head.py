"""What stands above the views of a playbook: its name, its size, and where a learning is."""

from __future__ import annotations

from textual.content import Content

from cl_workbench.screens.playbook_view import PlaybookView
from engines.ace.prompt_form import prompt_form
from engines.ace.revisions import History
from engines.ace.sizes import about_tokens
from widgets import figures
from widgets.plain_text import one_line
from widgets.playbook_bar import ViewTab


class Head:
    """The lines above the views; tokens are counted once for each playbook."""

    def __init__(self) -> None:
        self.title = Content()
        self.about = Content()
        self.tabs: tuple[ViewTab, ...] = ()
        self._counted: History | None = None
        self._tokens = 0

    def look(self, view: PlaybookView, name: str | None, unsaved: int | None, held: int) -> None:
        """Take what is seen now; ``unsaved`` counts revisions since the last save."""
        history = view.history
        bullets = len(history.playbook.bullets) if history else 0
        changes = history.next if history else 0
        self.tabs = (
            ViewTab("Bullets", bullets), ViewTab("Review", held, True), ViewTab("Changes", changes),
        )  # fmt: skip
        said = _saved(name, unsaved) if history else ""
        self.title = Content.assemble("Playbook   ", (said, "$foreground 70%"))
        self.about = self._about(view, held)

    def _about(self, view: PlaybookView, held: int) -> Content:
        history = view.history
        if history is None:
            return Content()
        if history is not self._counted:
            self._counted = history
            playbook = history.playbook
            self._tokens = about_tokens(prompt_form(playbook)) if playbook.bullets else 0
        count = len(history.playbook.bullets)
        used = figures.count(self._tokens)
        tokens = f"{used} of {figures.count(view.budget)}" if view.budget else f"about {used}"
        facts = Content("   ").join(
            [
                Content(f"{figures.count(count)} bullet{'' if count == 1 else 's'}"),
                Content(f"{tokens} tokens"),
                Content(f"revision {history.head.number}"),
                Content.styled(f"{held:,} waiting", "bold $warning") if held else Content(),
            ][: 4 if held else 3]
        )
        if view.learning:
            line = one_line(view.line) or "learning"
            return Content.assemble(("● ", "bold $accent"), (line, "$accent"), "   ", facts)
        return facts


def _saved(name: str | None, unsaved: int | None) -> str:
    if name is None or unsaved is None:
        return "unsaved"
    if not unsaved:
        return f"{one_line(name)}, saved"
    return f"{one_line(name)}, {unsaved} change{'' if unsaved == 1 else 's'} since it was saved"
