"""Putting questions in line: one answer, or the base's and the learned model's together."""

from __future__ import annotations

from cl_workbench.assembly import sampling
from cl_workbench.messages import Voice
from cl_workbench.screens.dials import dial_reading
from cl_workbench.screens.drawing import Drawing
from cl_workbench.session import Session
from cl_workbench.settings import Settings
from engines.protocol import Sampling
from widgets.chat_panel import ChatPanel


class Asking:
    """Shows a question with an empty answer, and asks the session to fill it."""

    def __init__(
        self, session: Session, drawing: Drawing, panel: ChatPanel, settings: Settings
    ) -> None:
        self._session = session
        self._drawing = drawing
        self._panel = panel
        self._settings = settings

    def ask(self, question: str) -> None:
        """Ask with the knowledge that is switched on."""
        voice: Voice = "learned" if self._drawing.answers_from_learned else "base"
        conversation, log = self._drawing.conversation, self._panel.log_of_turns
        conversation.ask(question)
        log.say("you", "you", question)
        number = self._session.reply(conversation.turns, self._sampling, voice)
        conversation.expect(number, log.say(voice, self._name(voice)), as_turn=True)
        log.anchor()

    def compare(self, question: str) -> None:
        """Ask both, side by side; the conversation does not go on with either."""
        conversation, log = self._drawing.conversation, self._panel.log_of_turns
        turns = conversation.alone(question)
        columns = log.compare(question, self._name("base"), self._name("learned"))
        base, learned = self._session.compare(turns, self._sampling)
        conversation.expect(base, columns.base, as_turn=False)
        conversation.expect(learned, columns.learned, as_turn=False)
        log.anchor()

    @property
    def _sampling(self) -> Sampling:
        return sampling(self._settings)

    def _name(self, voice: Voice) -> str:
        if voice == "base":
            return "base model"
        count = self._drawing.active_count
        documents = f"{count} document{'s' if count != 1 else ''}"
        dial = dial_reading(self._drawing.state)
        return f"learned: {documents}, {dial}" if dial else f"learned: {documents}"
