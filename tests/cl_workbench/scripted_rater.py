"""An engine that learns from ratings by a script: it keeps verdicts and moves no return.

What it counts in a verdict and which tokens it says were lifted is what this file holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from scripted_engine import ScriptedHost, words
from scripted_retriever import RetrievingEngine

from engines import checkpoints
from engines.abilities import Feedback, Rating
from engines.protocol import EngineError, Nudge, Piece, Sampling, Turn

TOKENS, ENTRIES = 7, 41
USED_NOTHING = "Which colour is the sky?"
NUDGES = {
    " harbour": Nudge(" harbour", 3.5, (0, 1)),
    " light": Nudge(" light", 2.25, (0,)),
    " turns": Nudge(" turns", 0.04, (0,)),
    " twice": Nudge(" twice", -0.75, (1,)),
    " minute.": Nudge(" minute.", 0.5, ()),
}


class RatedEngine(RetrievingEngine):
    """Takes verdicts on its last answer, and keeps them with the ledger."""

    name = "jitrl-full"

    def __init__(self, host: ScriptedHost) -> None:
        super().__init__(host)
        self._strength = 2.0
        self._feedback: list[Feedback] = []
        self._rateable: tuple[str, str] | None = None

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """The passages, then the words, each with what the script says it was moved by."""
        script = self.script
        self._rateable = None
        if script.retrieval is not None:
            yield Piece("", 0, retrieval=replace(script.retrieval, nudges=()))
        for piece in words(script, script.learned_answer):
            yield replace(piece, nudge=NUDGES.get(piece.text))
        self._rateable = (turns[-1].content, script.learned_answer)
        yield Piece("", 0, citations=script.citations)

    @property
    def feedback(self) -> tuple[Feedback, ...]:
        """The verdicts in force."""
        return tuple(self._feedback)

    def rate(self, rating: Rating) -> Feedback:
        """Keep a verdict on the last answer, which may be refused."""
        if self._rateable is None:
            raise EngineError("There is no answer to rate: ask a question first.")
        question, answer = self._rateable
        if question == USED_NOTHING:
            raise EngineError("The last answer used nothing that is stored.")
        if any(one.question == question for one in self._feedback):
            raise EngineError("The last answer is rated already.")
        number = len(self._feedback) + 1
        rated_at = f"2025-01-01T00:00:{number:02}+00:00"
        self._feedback.append(Feedback(number, rating, question, answer, TOKENS, ENTRIES, rated_at))
        return self._feedback[-1]

    def undo_rating(self) -> Feedback:
        """Drop the last verdict."""
        if not self._feedback:
            raise EngineError("There is no rating to undo.")
        return self._feedback.pop()

    def reset(self) -> None:
        """Forget all, the verdicts too."""
        super().reset()
        self._feedback = []

    def save(self, folder: Path) -> None:
        """Write the ledger and the verdicts."""
        super().save(folder)
        manifest = checkpoints.read_manifest(folder)
        verdicts = [asdict(one) for one in self._feedback]
        checkpoints.write(folder, manifest | {"feedback": verdicts}, {})

    def load(self, folder: Path) -> None:
        """Read both."""
        super().load(folder)
        verdicts = checkpoints.read_manifest(folder)["feedback"]
        self._feedback = [Feedback(**verdict) for verdict in verdicts]
