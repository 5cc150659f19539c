"""The answers of a trial as they grow, for the screens that show one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cl_workbench.trials import AnswerDone, AnswerGrew
from widgets import figures


@dataclass(frozen=True, slots=True)
class TrialAnswer:
    """One answer; ``text`` is None before it has begun."""

    text: str | None = None
    tokens: int = 0
    done: bool = False

    @property
    def cost(self) -> str:
        """What it took, in words; nothing before it is done."""
        return f"{figures.count(self.tokens)} tokens" if self.done else ""


class TrialRows:
    """``count`` answers in order; ``take`` is given each event of the trial."""

    def __init__(self, count: int) -> None:
        self.answers = [TrialAnswer() for _ in range(count)]

    @property
    def done(self) -> int:
        """How many answers are finished."""
        return sum(answer.done for answer in self.answers)

    @property
    def begun(self) -> bool:
        """Whether the engine has come to this trial."""
        return any(answer.text is not None for answer in self.answers)

    def take(self, event: object) -> None:
        """Note one event."""
        if isinstance(event, AnswerGrew):
            answer = self.answers[event.row]
            self.answers[event.row] = replace(
                answer,
                text=(answer.text or "") + event.text,
                tokens=answer.tokens + event.tokens,
            )
        elif isinstance(event, AnswerDone):
            answer = self.answers[event.row]
            text = (answer.text or "").strip() or "(no words)"
            self.answers[event.row] = replace(answer, text=text, done=True)

    def state(self) -> str:
        """How far the trial is, in words."""
        if not self.begun:
            return "Waiting for the engine."
        return f"Answering {min(self.done + 1, len(self.answers))} of {len(self.answers)}."
