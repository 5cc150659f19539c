"""Telling what a model thinks apart from what it answers.

Reasoning models write ``<think>…</think>`` before the answer, some templates open the
block themselves so that only its end is written, and an answer that was cut off may never
close it.  A mark inside an answer that has begun is part of the answer.
"""

from __future__ import annotations

import re

_NAMES = ("think", "thinking", "thought", "reasoning")
_OPENINGS = tuple(f"<{name}>" for name in _NAMES)
_CLOSING = re.compile(r"</(?:think|thinking|thought|reasoning)>")
_LONGEST = len("</reasoning>")


class Thinking:
    """Splits streamed text into answer and thinking; marks may lie across pieces.

    ``opened`` says that the prompt itself ended with an opening mark.
    """

    def __init__(self, opened: bool = False) -> None:
        self._held = ""
        self._state = "inside" if opened else "opening"

    def push(self, text: str) -> tuple[str, str]:
        """The answer and the thinking that ``text`` adds, either may be empty."""
        if self._state == "answer":
            return text, ""
        self._held += text
        if self._state == "opening" and not self._opened():
            return self._as_answer() if self._state == "answer" else ("", "")
        return self._inside()

    def flush(self) -> tuple[str, str]:
        """What is held back when the stream ends."""
        rest, self._held = self._held, ""
        return ("", rest) if self._state == "inside" else (rest, "")

    def _opened(self) -> bool:
        """Whether the text begins with an opening mark; decides for an answer if it can't."""
        begin = self._held.lstrip()
        for mark in _OPENINGS:
            if begin.startswith(mark):
                self._held = begin[len(mark) :]
                self._state = "inside"
                return True
        if not any(mark.startswith(begin) for mark in _OPENINGS):
            self._state = "answer"
        return False

    def _as_answer(self) -> tuple[str, str]:
        rest, self._held = self._held, ""
        return rest, ""

    def _inside(self) -> tuple[str, str]:
        end = _CLOSING.search(self._held)
        if end is not None:
            thinking, answer = self._held[: end.start()], self._held[end.end() :]
            self._held, self._state = "", "answer"
            return answer.lstrip(), thinking
        # The last characters may be the beginning of the closing mark.
        cut = self._held.rfind("<", max(0, len(self._held) - _LONGEST))
        cut = len(self._held) if cut < 0 else cut
        thinking, self._held = self._held[:cut], self._held[cut:]
        return "", thinking


def opens_thinking(prompt: str) -> bool:
    """Whether ``prompt`` ends with an opening mark, as those of some templates do."""
    return prompt.rstrip().endswith(_OPENINGS)


def without_thinking(text: str) -> str:
    """The answer in a whole ``text``, even where only the end of the thinking is marked."""
    splitter = Thinking()
    answer = splitter.push(text)[0] + splitter.flush()[0]
    if answer.lstrip().startswith(("{", "[")):
        return answer.strip()
    ends = [*_CLOSING.finditer(answer)]
    return (answer[ends[-1].end() :] if ends else answer).strip()
