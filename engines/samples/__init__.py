"""Three documents about invented places, with questions that only a reader can answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class SampleQuestion:
    """A question about the sample file named ``document``.

    ``cloze`` is the beginning of a sentence of the document; the first of ``answers``
    follows it there after a space.
    """

    document: str
    question: str
    answers: tuple[str, ...]
    cloze: str


def sample_questions() -> tuple[SampleQuestion, ...]:
    """The questions about all sample documents, in the order of the texts."""
    lines = (_FOLDER / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(_question(**json.loads(line)) for line in lines)


def _question(document: str, question: str, answers: list[str], cloze: str) -> SampleQuestion:
    return SampleQuestion(document, question, tuple(answers), cloze)
