"""The conversation: what was said, and which answer is being written where."""

from __future__ import annotations

from collections.abc import Sequence

from cl_workbench.messages import AnswerEnded, AnswerText, Rated, RatingOn
from cl_workbench.screens.found import note_of, sources_of
from engines.abilities import Feedback
from engines.protocol import Turn
from widgets import figures
from widgets.chat_log import Said

_Verdict = tuple[int, str, str, str]


class Conversation:
    """Turns in order, and the block on screen that each running answer goes to.

    Answers of a comparison are shown but are no turns: what the base said must not
    colour what the learned model says next.  ``found`` is the last answer on screen, if
    passages were looked for.  The mark of a rating stands at its answer for as long as the
    verdict is in force.  ``undoing`` while the last verdict is being taken back.
    """

    def __init__(self, opening: Sequence[Turn] = ()) -> None:
        self._opening = tuple(opening)
        self._turns: list[Turn] = []
        self._blocks: dict[int, Said] = {}
        self._asked: set[int] = set()
        self._last: tuple[AnswerEnded, Said] | None = None
        self._rating: dict[int, Said] = {}
        self._verdicts: dict[_Verdict, Said] = {}
        self.undoing = False
        self.last_question = ""
        self.last_answer = ""
        self.found: AnswerEnded | None = None

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What the model is given: the opening and everything said since."""
        return (*self._opening, *self._turns)

    @property
    def waiting(self) -> bool:
        """True while an answer is on its way."""
        return bool(self._blocks)

    def ask(self, question: str) -> None:
        """Add the user's turn."""
        self.last_question = question
        self._turns.append(Turn("user", question))

    def alone(self, question: str) -> tuple[Turn, ...]:
        """The question without what was said before, as a comparison asks it."""
        self.last_question = question
        return (*self._opening, Turn("user", question))

    def expect(self, number: int, block: Said, *, as_turn: bool) -> None:
        """Answer ``number`` goes to ``block``; ``as_turn`` if the conversation goes on with it."""
        self._blocks[number] = block
        if as_turn:
            self._asked.add(number)

    def add(self, event: AnswerText) -> None:
        """Show more of an answer."""
        if block := self._blocks.get(event.number):
            block.append(event.text)

    def end(self, event: AnswerEnded) -> None:
        """Show what an answer cost, and keep it as a turn where it is one."""
        block = self._blocks.pop(event.number, None)
        if block is not None:
            block.finish(_foot(event), sources_of(event), note_of(event))
            self.found = event if event.retrieval is not None else None
            self._last = (event, block)
        self.last_answer = event.text or self.last_answer
        if event.number in self._asked:
            self._asked.discard(event.number)
            self._keep(event)

    def clear(self) -> None:
        """Begin anew; an answer still being written is no turn of the new conversation."""
        self._turns.clear()
        self._asked.clear()
        self._blocks.clear()
        self._rating.clear()
        self._verdicts.clear()
        self.found = self._last = None

    @property
    def not_to_rate(self) -> str | None:
        """One sentence why the last answer on screen can't be rated, or None."""
        if self.waiting:
            return "The last answer is not finished: rate it when it is."
        if self._last is None:
            return "There is no answer to rate: ask a question first."
        event, block = self._last
        if block.speaker == "base":
            return "The last answer is the base model's: only a learned one can be rated."
        if event.cancelled or event.failure is not None:
            return "The last answer was cut short: ask again, then rate the answer."
        return None

    @property
    def rating(self) -> bool:
        """Whether the last answer waits for its verdict to be taken in."""
        return self._last is not None and self._last[0].number in self._rating

    @property
    def to_rate(self) -> int | None:
        """The number of the last answer on screen."""
        return self._last[0].number if self._last is not None else None

    def rate(self) -> int | None:
        """The number of the last answer, which waits for its verdict from now on."""
        if self._last is None:
            return None
        event, block = self._last
        self._rating[event.number] = block
        return event.number

    def rating_on(self, event: RatingOn) -> None:
        """Say below the answer what the engine does about its verdict."""
        if (block := self._rating.get(event.number)) is not None:
            block.show_rating(event.text)

    def rated(self, event: Rated) -> None:
        """A verdict was taken in, which ``show_verdicts`` draws, or refused."""
        block = self._rating.pop(event.number, None)
        if block is not None:
            block.show_rating("")
        if block is not None and event.feedback is not None:
            self._verdicts[_verdict(event.feedback)] = block

    def undone(self) -> None:
        """The last verdict was taken back, or could not be."""
        self.undoing = False

    def show_verdicts(self, feedback: Sequence[Feedback]) -> None:
        """Mark the answers whose verdicts are in force, and no others."""
        in_force = {_verdict(each): each.rating for each in feedback}
        for verdict, block in self._verdicts.items():
            block.mark_rating(in_force.get(verdict))

    def _keep(self, event: AnswerEnded) -> None:
        if event.text.strip():
            self._turns.append(Turn("assistant", event.text))
        elif self._turns and self._turns[-1].role == "user":
            # Without an answer the question would stand before the next one, unanswered.
            self._turns.pop()


def _verdict(feedback: Feedback) -> _Verdict:
    # Its counts follow what is forgotten later, and a number is given again after an undo.
    return feedback.number, feedback.rating, feedback.rated_at, feedback.question


def _foot(event: AnswerEnded) -> str:
    if event.failure is not None:
        return event.failure
    cost = f"{figures.count(event.tokens)} tokens"
    if event.seconds > 0 and event.tokens:
        cost += f", {figures.rate(event.tokens / event.seconds)}"
    return f"cancelled after {cost}" if event.cancelled else cost
