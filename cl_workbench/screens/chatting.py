"""What is asked and answered: the question's line, the voices, the passages, the dial."""

from __future__ import annotations

from textual import on, work
from textual.screen import Screen

from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.asking import Asking
from cl_workbench.screens.drawing import Drawing
from cl_workbench.screens.passages import PassagesScreen
from cl_workbench.session import Session
from engines.abilities import Rating
from widgets.chat_panel import ChatPanel, KnowledgeLine
from widgets.dial import Dial
from widgets.workspace import Workspace

ALPHA_STEP = 0.05
STRENGTH_STEP, CONTEXT_STRENGTH_STEP = 0.5, 0.25


class Chatting(Screen[None]):
    """The part of the workbench that asks; what it asks with is made by the whole of it."""

    _session: Session
    _known: Drawing
    _panes: Workspace
    _asking: Asking

    def _tell(self, sentence: str, failure: bool) -> None:
        raise NotImplementedError

    def action_chat(self) -> None:
        """Go to the question's line."""
        self._panes.turn_to("chat")

    @on(KnowledgeLine.Clicked)
    def action_switch_voice(self) -> None:
        """Let the base model answer, or the learned one again."""
        if self._known.learned_count:
            self._known.switch_voice()

    def action_new_conversation(self) -> None:
        """Begin anew."""
        self._known.conversation.clear()
        self._panes.chat.log_of_turns.clear()
        self._panes.turn_to("chat")

    @on(ChatPanel.Asked)
    def _asked(self, event: ChatPanel.Asked) -> None:
        if self._may_ask():
            self._panes.chat.clear_question()
            self._asking.ask(event.question)

    def action_compare(self) -> None:
        """Answer as the base and as learned."""
        question = self._question
        self._panes.turn_to("chat", focus=False)
        if not question:
            self._panes.chat.focus_question()
            self._tell("Type a question, leave the line with esc, then press b.", False)
        elif self._may_ask():
            self._panes.chat.clear_question()
            self._asking.compare(question)
            self.call_after_refresh(self.set_focus, self._panes.chat.log_of_turns)

    def _may_ask(self) -> bool:
        if self._known.failure is not None:
            self._tell("There is no model to ask; the Learn pane says why.", True)
        elif self._known.conversation.waiting:
            self._tell("The last answer is not finished; esc stops it.", False)
        else:
            return True
        return False

    def action_copy_answer(self) -> None:
        """Copy the last answer."""
        self.app.copy_to_clipboard(self._known.conversation.last_answer)
        self._tell("The last answer was copied.", False)

    def action_passages(self) -> None:
        """Show what was retrieved for the last answer, and what became of it."""
        if (answer := self._known.conversation.found) is not None:
            self.app.push_screen(PassagesScreen(answer))

    def action_rate(self, rating: Rating) -> None:
        """Take a verdict on the answer that one sees last."""
        self._panes.turn_to("chat", focus=False)
        conversation = self._known.conversation
        if (refusal := conversation.not_to_rate) is not None:
            self._tell(refusal, True)
        elif conversation.rating:
            self._tell("The rating of the last answer is in line already.", False)
        elif rating == "down" and self._known.can("KeepsPlaybook"):
            self._rate_down()
        else:
            self._rate(rating)

    @work(exclusive=True, group="dialog")
    async def _rate_down(self) -> None:
        """Ask what would have been better before an answer is rated down."""
        number = self._known.conversation.to_rate
        dialog = AskTextScreen(
            "What would you have liked to read?", check=lambda text: None,
            placeholder="a better answer, if you know one", empty="rates it down without",
        )  # fmt: skip
        correction = await self.app.push_screen_wait(dialog)
        if correction is not None and number == self._known.conversation.to_rate:
            self._rate("down", correction)

    def _rate(self, rating: Rating, correction: str = "") -> None:
        if (number := self._known.conversation.rate()) is not None:
            self._session.rate(number, rating, correction)
            self._tell_if_in_line()

    def action_undo_rating(self) -> None:
        """Take the last verdict back."""
        if self._known.conversation.undoing:
            self._tell("Taking the last rating back is in line already.", False)
            return
        self._known.conversation.undoing = True
        self._session.undo_rating()
        self._tell_if_in_line()

    def _tell_if_in_line(self) -> None:
        if self._known.work is not None:
            self._tell("It is in line.", False)

    # The dial

    def action_alpha(self, direction: int) -> None:
        """Turn α by one step."""
        if self._known.work == "learning":
            self._tell("α follows the schedule while a document is learned.", False)
        elif (alpha := self._known.turn_alpha(direction * ALPHA_STEP)) is not None:
            self._session.set_alpha(alpha)

    def action_strength(self, direction: int) -> None:
        """Turn by one step how strongly logits are moved; 0 is off."""
        self._turn_strength(direction * STRENGTH_STEP)

    def action_context_strength(self, direction: int) -> None:
        """Turn by one step how strongly the documents' LoRAs count; 0 leaves them out."""
        self._turn_strength(direction * CONTEXT_STRENGTH_STEP)

    def _turn_strength(self, step: float) -> None:
        if (strength := self._known.turn_strength(step)) is not None:
            self._session.set_strength(strength)

    @property
    def _question(self) -> str:
        return self._panes.chat.question or self._known.conversation.last_question

    @on(Dial.Turned)
    def _dial_turned(self, event: Dial.Turned) -> None:
        if self._known.can("HasAlpha"):
            self.action_alpha(event.direction)
        elif self._known.can("ScalesLoras"):
            self.action_context_strength(event.direction)
        else:
            self.action_strength(event.direction)
