"""The questions that ``ask`` is given, on the command line or in a file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cl_workbench.settings import Settings
from engines.protocol import EngineError


def asked_questions(questions: tuple[str, ...], file: Path | None, settings: Settings) -> list[str]:
    """The questions to ask, either as typed or those in ``file``.

    Raises:
        UsageError: if there are both, neither, or an empty one.
        EngineError: if the file can't be read.
    """
    if bool(questions) == (file is not None):
        raise click.UsageError("Give either QUESTION... or --questions FILE.")
    asked = list(questions) if file is None else read_questions(file, settings)
    if not asked or not all(question.strip() for question in asked):
        raise click.UsageError("A question is empty: write at least one word in it.")
    return asked


def read_questions(file: Path, settings: Settings) -> list[str]:
    """The questions in ``file``: its lines, or the question field of its JSON lines.

    Raises:
        EngineError: naming the file and line that can't be read.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"{file} can't be read: save it as a text file in UTF-8.") from error
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if file.suffix.lower() != ".jsonl":
        return [line.strip() for _, line in numbered]
    name = settings.get("documents.question_field")
    return [_question_in(line, name, f"{file}, line {number}") for number, line in numbered]


def _question_in(line: str, name: str, where: str) -> str:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise EngineError(f"{where} is not JSON: write one object a line.") from error
    question = record.get(name) if isinstance(record, dict) else None
    if not isinstance(question, str) or not question.strip():
        raise EngineError(
            f"{where} has no text in the field '{name}': "
            "add it, or name the field with documents.question_field."
        )
    return question
