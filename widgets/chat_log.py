"""The conversation as it is read: turns, streamed answers, comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from widgets.plain_text import one_line, plain
from widgets.sources import Source, source_lines

Speaker = Literal["you", "base", "learned"]
Verdict = Literal["up", "down"]
MAX_BLOCKS = 200
WAITING = "…"
_RATED: dict[Verdict, tuple[str, str]] = {
    "up": ("▲ rated up", "$success"),
    "down": ("▼ rated down", "$warning"),
}
_STYLES: dict[str, str] = {"you": "bold", "base": "bold $primary", "learned": "bold $success"}


class Said(Vertical):
    """One turn: who says it, the words, and below them what they rest on and cost.

    The text only grows; nothing in it is read as markup.
    """

    DEFAULT_CSS = """
    Said {
        height: auto;
        margin-bottom: 1;
        & Static { height: auto; }
        & .said-foot { color: $foreground 60%; }
        & .said-note { color: $warning; }
        & .said-sources { text-wrap: nowrap; text-overflow: ellipsis; }
    }
    """

    def __init__(self, speaker: Speaker, heading: str, text: str = "") -> None:
        super().__init__(classes=f"-{speaker}")
        self.speaker = speaker
        self._heading = Content.styled(one_line(heading), _STYLES[speaker])
        self.text = plain(text)
        self._body = Static(Content(self.text or WAITING), classes="said-text", markup=False)
        self._foot = Static("", classes="said-foot", markup=False)
        self._note = Static("", classes="said-note", markup=False)
        self._sources = Static("", classes="said-sources", markup=False)
        self._rating = Static("", classes="said-rating", markup=False)
        self._verdict: Verdict | None = None
        for below in (self._note, self._sources, self._foot, self._rating):
            below.display = False

    def compose(self) -> ComposeResult:
        """Heading, words, note, sources, foot, rating."""
        yield Static(self._heading, classes="said-heading", markup=False)
        yield self._body
        yield self._note
        yield self._sources
        yield self._foot
        yield self._rating

    def append(self, text: str) -> None:
        """Add a piece of the answer."""
        self.text += plain(text)
        self._body.update(Content(self.text.lstrip("\n")))

    def finish(self, foot: str, sources: Sequence[Source] = (), note: str = "") -> None:
        """Write what the answer rests on and cost below it; one without words says so."""
        if not self.text.strip():
            self._body.update(Content.styled("(no words)", "$foreground 60%"))
        self._foot.update(Content(one_line(foot)))
        self._foot.display = bool(foot)
        self._note.update(Content(one_line(note)))
        self._note.display = bool(note)
        self._sources.update(source_lines(sources))
        self._sources.display = bool(sources)

    def show_rating(self, text: str) -> None:
        """Say what is done about a verdict that was just given; nothing shows the last mark."""
        if not text:
            self.mark_rating(self._verdict)
            return
        self._rating.display = True
        self._rating.update(Content.styled(one_line(text), "$accent"))

    def mark_rating(self, verdict: Verdict | None) -> None:
        """Say what a person thought of the answer; None takes it back."""
        self._verdict = verdict
        self._rating.display = verdict is not None
        if verdict is not None:
            self._rating.update(Content.styled(*_RATED[verdict]))


class Comparison(Vertical):
    """The answers of the base and of the learned model to one question, side by side."""

    DEFAULT_CSS = """
    Comparison {
        height: auto;
        margin-bottom: 1;
        & .comparison-question { height: auto; text-style: bold; margin-bottom: 1; }
        & .comparison-columns { height: auto; }
        & Said { width: 1fr; margin-right: 2; }
    }
    Comparison.-stacked .comparison-columns { layout: vertical; }
    Comparison.-stacked Said { margin-right: 0; }
    """
    STACKED_BELOW = 72

    def __init__(self, question: str, base: str, learned: str) -> None:
        super().__init__()
        self.question = plain(question)
        self.base = Said("base", base)
        self.learned = Said("learned", learned)

    def compose(self) -> ComposeResult:
        """The question over two columns."""
        yield Static(
            Content(f"Before and after: {one_line(self.question)}"),
            classes="comparison-question",
            markup=False,
        )
        with Horizontal(classes="comparison-columns"):
            yield self.base
            yield self.learned

    def on_mount(self) -> None:
        """Look at the first size: a log that scrolls as it grows may tell of none."""
        self.call_after_refresh(self._stack)

    def on_resize(self) -> None:
        """Stack the answers where two columns would be too narrow to read."""
        self._stack()

    def _stack(self) -> None:
        self.set_class(0 < self.size.width < self.STACKED_BELOW, "-stacked")


class ChatLog(VerticalScroll):
    """The turns from old to new; stays at the newest line unless one has scrolled up.

    Older turns leave the screen once there are more than ``MAX_BLOCKS``.
    """

    DEFAULT_CSS = "ChatLog { height: 1fr; } ChatLog .chat-hint { color: $foreground 70%; }"

    def __init__(self, hint: str, *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self._hint = Static(Content(hint), classes="chat-hint", markup=False)

    def compose(self) -> ComposeResult:
        """What to do, until something was said."""
        yield self._hint

    def on_mount(self) -> None:
        """Stay at the newest line."""
        self.anchor()

    def say(self, speaker: Speaker, heading: str, text: str = "") -> Said:
        """Add a turn and return it, so that it can be continued."""
        said = Said(speaker, heading, text)
        self._add(said)
        return said

    def compare(self, question: str, base: str, learned: str) -> Comparison:
        """Add an empty comparison and return it, so that both answers can be streamed."""
        comparison = Comparison(question, base, learned)
        self._add(comparison)
        return comparison

    def clear(self) -> None:
        """Remove every turn."""
        self.query("Said, Comparison").remove()
        self._hint.display = True

    @property
    def turns(self) -> list[Said]:
        """The turns on screen, the two answers of a comparison included, old to new."""
        return list(self.query(Said))

    def _add(self, block: Said | Comparison) -> None:
        self._hint.display = False
        self.mount(block)
        blocks = [child for child in self.children if isinstance(child, Said | Comparison)]
        for old in blocks[:-MAX_BLOCKS]:
            old.remove()
