"""A language model whose answers are written beforehand."""

from __future__ import annotations

from collections.abc import Sequence

from engines.language_models.protocol import Answer, Chunk, Completion, Request
from engines.protocol import Turn


class ScriptedModel:
    """Gives ``answers`` one after the other, the last one for ever; an exception is raised."""

    name = "scripted"
    where = "in this test"
    context_tokens = 4096

    def __init__(self, *answers: str | Exception, finish: str = "stop") -> None:
        self.answers = [*answers]
        self.finish = finish
        self.asked: list[Request] = []
        self.open = 0

    def count(self, turns: Sequence[Turn], room: int | None = None) -> int:
        """One token a word."""
        return sum(len(turn.content.split()) for turn in turns)

    def stream(self, request: Request) -> Answer:
        """The next answer, in two pieces."""
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.open += 1
        try:
            if isinstance(answer, Exception):
                raise answer
            half = len(answer) // 2
            yield Chunk(answer[:half])
            yield Chunk(answer[half:])
        finally:
            self.open -= 1
        finish = "length" if self.finish == "length" else "stop"
        return Completion(answer, "", 10, 3, finish, 0.5)
