"""JSON lines as one document: the texts joined, the questions kept beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from engines.decoding import counted
from engines.protocol import DocumentError

_NOTED_LINES = 5

Question = tuple[str, tuple[str, ...]]


class NoUsableLineError(DocumentError):
    """No line of a file can be used; ``why`` is the fault of the first one."""

    def __init__(self, reason: str, why: str, path: str | None = None) -> None:
        super().__init__(reason, path)
        self.why = why


class _BadLineError(Exception):
    """Why one line can't be used; caught below and turned into a note."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The names under which lines carry their text, question and answer."""

    text: tuple[str, ...]
    question: str
    answer: str

    def __str__(self) -> str:
        names = ", ".join(f"'{name}'" for name in self.text)
        return f"{names}, or '{self.question}' with '{self.answer}'"


@dataclass(frozen=True, slots=True)
class Lines:
    """What a file of JSON lines holds.

    ``text`` is the lines' texts joined by blank lines, or, in a file without any text,
    its questions and answers written out.  ``title`` is set where all lines agree on one.
    """

    text: str
    title: str | None
    questions: tuple[Question, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Reading:
    texts: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    titles: set[str] = field(default_factory=set)
    bad: list[str] = field(default_factory=list)


def parse_lines(content: str, fields: Fields, subject: str) -> Lines:
    """Read JSON lines from ``content``; a line that can't be used is left out with a note.

    A text that a line with a question repeats from the line before counts once, so that
    question sets with one paragraph for many questions read as that paragraph.

    Raises:
        NoUsableLineError: if no line can be used; ``subject`` names the file.
    """
    reading = _Reading()
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            try:
                _add(_parse(line), fields, reading)
            except _BadLineError as bad:
                reading.bad.append(f"line {number} of {subject} was left out: {bad}")
    texts = reading.texts or [f"Question: {q}\nAnswer: {a[0]}" for q, a in reading.questions]
    if not texts and reading.bad:
        why = reading.bad[0].split(": ", 1)[1]
        raise NoUsableLineError(
            f"{subject} has no usable line ({why}); each line needs a field {fields}.", why
        )
    title = next(iter(reading.titles)) if len(reading.titles) == 1 else None
    return Lines("\n\n".join(texts), title, tuple(reading.questions), _notes(reading.bad))


def _parse(line: str) -> dict[str, object]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise _BadLineError("it is not JSON") from None
    if not isinstance(row, dict):
        raise _BadLineError("it is not a JSON object")
    return row


def _add(row: dict[str, object], fields: Fields, reading: _Reading) -> None:
    text = _text(row, fields.text)
    question = _question(row, fields)
    if text is None and question is None:
        raise _BadLineError(f"it has no field {fields}")
    if question is not None:
        reading.questions.append(question)
    repeated = fields.question in row and reading.texts[-1:] == [text]
    if text is not None and not repeated:
        reading.texts.append(text)
    title = row.get("title")
    if isinstance(title, str) and title.strip():
        reading.titles.add(title)


def _text(row: dict[str, object], names: Sequence[str]) -> str | None:
    for name in names:
        if name in row:
            return _string(row[name], name)
    return None


def _question(row: dict[str, object], fields: Fields) -> Question | None:
    """The line's question with its answers; None where it has no question or no answer."""
    if fields.question not in row:
        return None
    question = _string(row[fields.question], fields.question)
    given = row.get(fields.answer, row.get(f"{fields.answer}s", ()))
    if isinstance(given, dict):  # {"text": [...], "answer_start": [...]}, as in SQuAD
        given = given.get("text", ())
    listed = given if isinstance(given, list | tuple) else [given]
    answers = [str(a) if isinstance(a, int | float) else a for a in listed if a is not None]
    texts = tuple(_string(answer, fields.answer) for answer in answers)
    return (question, texts) if texts else None


def _string(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise _BadLineError(f"its '{name}' is not a text")
    if not value.strip():
        raise _BadLineError(f"its '{name}' is empty")
    if "\0" in value:
        raise _BadLineError(f"its '{name}' holds a NUL character")
    return value


def _notes(bad: list[str]) -> tuple[str, ...]:
    more = len(bad) - _NOTED_LINES
    if more <= 0:
        return tuple(bad)
    return (*bad[:_NOTED_LINES], f"{counted(more, 'more line')} left out")
