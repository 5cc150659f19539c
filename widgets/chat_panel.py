"""Asking about what was learned, and seeing which knowledge answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input, Static

from widgets import figures
from widgets.chat_log import ChatLog
from widgets.dial import Dial

_HINT = (
    "Ask the model a question below and press enter.\n"
    "v switches between what was learned and the base model; "
    "b shows both answers to the same question."
)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Which knowledge answers: the base model's, or that of ``learned`` documents too.

    ``dial`` is where the engine's dial stands; ``muted`` documents are kept and don't count.
    """

    uses_learned: bool = True
    learned: int = 0
    dial: str | None = None
    muted: int = 0


class KnowledgeLine(Static):
    """The knowledge that answers, in words; a click switches it."""

    @dataclass
    class Clicked(Message):
        """The line was clicked."""

    def on_click(self, event: events.Click) -> None:
        """Ask for the switch."""
        event.stop()
        self.post_message(self.Clicked())


class QuestionInput(Input):
    """Where a question is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "ask", id="question.ask", tooltip="Ask the question"),
        Binding("up", "scroll_log(-1)", "Scroll up", show=False, id="question.scroll_up"),
        Binding("down", "scroll_log(1)", "Scroll down", show=False, id="question.scroll_down"),
        Binding("pageup", "page_log(-1)", "Page up", show=False, id="question.page_up"),
        Binding("pagedown", "page_log(1)", "Page down", show=False, id="question.page_down"),
    ]

    def action_scroll_log(self, direction: int) -> None:
        """Scroll the conversation by a line without leaving the question."""
        log = self.screen.query_one(ChatLog)
        log.scroll_relative(y=direction, animate=False)

    def action_page_log(self, direction: int) -> None:
        """Scroll the conversation by a page."""
        log = self.screen.query_one(ChatLog)
        log.scroll_relative(y=direction * max(log.size.height - 1, 1), animate=False)


class ChatPanel(Vertical):
    """The active knowledge over the conversation over the question."""

    DEFAULT_CSS = """
    ChatPanel {
        & #knowledge { height: 1; }
        & #knowledge KnowledgeLine { width: 1fr; height: 1; }
        & QuestionInput { height: 3; }
    }
    """

    knowledge: reactive[Knowledge] = reactive(Knowledge())
    _composed = False

    @dataclass
    class Asked(Message):
        """A question was entered."""

        question: str

    def compose(self) -> ComposeResult:
        """Knowledge, conversation, question."""
        with Horizontal(id="knowledge"):
            yield KnowledgeLine(markup=False)
            yield Dial()
        yield ChatLog(_HINT)
        yield QuestionInput(placeholder="Ask about what was learned", max_length=8_000)

    def on_mount(self) -> None:
        """Draw the first state."""
        self._composed = True
        self.watch_knowledge(self.knowledge)

    def watch_knowledge(self, knowledge: Knowledge) -> None:
        """Say which knowledge answers."""
        if not self._composed:
            return
        self.query_one(KnowledgeLine).update(_in_words(knowledge), layout=False)
        self.query_one(Dial).reading = knowledge.dial

    @property
    def log_of_turns(self) -> ChatLog:
        """The conversation."""
        return self.query_one(ChatLog)

    @property
    def question(self) -> str:
        """What stands in the question's line, without surrounding white space."""
        return self.query_one(QuestionInput).value.strip()

    def clear_question(self) -> None:
        """Empty the question's line."""
        self.query_one(QuestionInput).value = ""

    def focus_question(self) -> None:
        """Begin to type a question."""
        self.screen.set_focus(self.query_one(QuestionInput), scroll_visible=False)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if question := event.value.strip():
            self.post_message(self.Asked(question))


def _in_words(knowledge: Knowledge) -> Content:
    documents = (
        f"{figures.count(knowledge.learned)} document{'s' if knowledge.learned != 1 else ''}"
    )
    muted = f"   {figures.count(knowledge.muted)} muted" if knowledge.muted else ""
    if not knowledge.uses_learned:
        return Content.assemble(
            ("answers as ", "$foreground 70%"),
            ("the base model", "bold $primary"),
            (f"   {figures.count(knowledge.learned)} learned, not used", "$foreground 70%"),
        )
    if not knowledge.learned:
        return Content.assemble(
            ("answers as ", "$foreground 70%"),
            ("the base model", "bold $primary"),
            (muted or "   nothing learned", "$foreground 70%"),
        )
    return Content.assemble(
        ("answers from ", "$foreground 70%"),
        (f"{documents} learned", "bold $success"),
        (muted, "$foreground 70%"),
    )
