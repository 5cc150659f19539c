"""Questions that the model writes about a document that brings none."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from engines.ace.events import AceProgress
from engines.ace.lesson import Lesson
from engines.ace.prompts import WRITER, Brief
from engines.ace.questions import Pair
from engines.ace.roles import Asked
from engines.ace.sizes import about_tokens
from engines.protocol import StudyItem
from engines.ttt.study.filters import answer_fault, question_fault
from engines.ttt.study.paragraphs import chunks
from engines.ttt.study.steps import evenly

_PASSAGE_TOKENS = 200
_AT_ONCE = 3
_USABLE_AT_ONCE = 1.5  # of those, as a guess on how many passages are needed
_TOKENS = 400
_QUESTION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "maxLength": 200},
        "answer": {"type": "string", "maxLength": 120},
    },
    "required": ["question", "answer"],
    "additionalProperties": False,
}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"questions": {"type": "array", "items": _QUESTION, "maxItems": _AT_ONCE}},
    "required": ["questions"],
    "additionalProperties": False,
}


def write_pairs(
    lesson: Lesson, text: str, document: str | None
) -> Generator[AceProgress, None, tuple[tuple[Pair, ...], int]]:
    """Up to ``written_questions`` pairs about ``text``, and how many could not be used.

    Raises:
        StoppedError: if the server failed again and again.
    """
    wanted = lesson.settings.written_questions
    passages = evenly(chunks(text, _PASSAGE_TOKENS, about_tokens), _passages_for(wanted))
    pairs: list[Pair] = []
    rejected = 0
    for number, passage in enumerate(passages, start=1):
        if len(pairs) >= wanted:
            break
        lesson.at = replace(
            lesson.at, purpose="writing questions", question=number, questions=len(passages)
        )
        brief = Brief(WRITER, {"text": passage}, f"Write up to {_AT_ONCE} questions.")
        turn = yield from lesson.ask(Asked("writer", brief, _TOKENS, _SCHEMA))
        for row in turn.parsed["questions"] if turn.parsed is not None else ():
            pair = Pair(row["question"].strip(), (row["answer"].strip(),), document, "written")
            if _is_usable(pair, passage, [one.question for one in pairs]):
                pairs.append(pair)
            else:
                rejected += 1
    return tuple(pairs[:wanted]), rejected


def _passages_for(wanted: int) -> int:
    return math.ceil(wanted / _USABLE_AT_ONCE)


def _is_usable(pair: Pair, passage: str, earlier: Sequence[str]) -> bool:
    item = StudyItem("question", pair.question, pair.answers[0], passage)
    return question_fault(pair.question, passage, earlier) is None and answer_fault(item) is None
