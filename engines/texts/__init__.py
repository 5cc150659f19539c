"""General English text that comes with the engines, and passages from a user's own.

``calibration.jsonl`` tells the gate which neurons general text needs; ``held_out.jsonl``
measures what learning a document cost.  They share no article, tale or speech.
``general_questions.jsonl`` holds easy questions about the world and short instructions.
``LICENCES.md`` names their sources; ``benchmarks/make_texts.py`` rebuilds them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args

from engines.documents import ReadOptions, UnreadableDocument, read_paths
from engines.protocol import DocumentError
from engines.texts.passages import passages

__all__ = [
    "QuestionUse",
    "calibration_passages",
    "general_questions",
    "held_out_passages",
    "passages_from",
]

QuestionUse = Literal["probe", "retention", "instruction"]

_FOLDER = Path(__file__).parent


def calibration_passages() -> tuple[str, ...]:
    """240 passages of up to 90 words; any first part of them is a fair mix of the sources."""
    return _shipped("calibration.jsonl")


def held_out_passages() -> tuple[str, ...]:
    """Six passages of 200 to 250 words, none of them in the calibration text."""
    return _shipped("held_out.jsonl")


def general_questions(use: QuestionUse) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Easy questions of general knowledge with their accepted answers.

    ``use`` is ``probe`` (watched while learning), ``retention`` (held to while learning; no
    fact is in both) or ``instruction`` (short requests, without accepted answers).

    Raises:
        ValueError: for any other use.
    """
    uses = get_args(QuestionUse)
    if use not in uses:
        raise ValueError(f"{use!r} is no use of general questions; choose of {', '.join(uses)}.")
    rows = (row for row in _rows("general_questions.jsonl") if row["use"] == use)
    return tuple((row["question"], tuple(row["answers"])) for row in rows)


def passages_from(
    path: str | Path, options: ReadOptions | None = None, *, words: int = 80
) -> tuple[str, ...]:
    """Passages of about ``words`` words from a file, or from the documents in a folder.

    In a folder, files that can't be read are passed over as long as one can.

    Raises:
        DocumentError: if nothing can be read, with the first reason.
    """
    found: list[str] = []
    reasons: list[str] = []
    for document in read_paths([path], options):
        if isinstance(document, UnreadableDocument):
            reasons.append(document.reason)
        else:
            found.extend(passages(document.text, words))
    if not found:
        raise DocumentError(next(iter(reasons), f"{path} holds no text."), str(path))
    return tuple(found)


def _shipped(name: str) -> tuple[str, ...]:
    return tuple(row["text"] for row in _rows(name))


def _rows(name: str) -> list[dict[str, Any]]:
    lines = (_FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
