"""Questions from a file of their own, for documents to be learned by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from engines.ace.questions import read_pairs
from engines.documents import ReadOptions
from engines.protocol import Document

Questions = tuple[tuple[str, tuple[str, ...]], ...]
Found = TypeVar("Found")


def questions_of(path: Path, options: ReadOptions | None = None) -> Questions:
    """The questions of a ``.jsonl`` file, each with the answers that are right.

    Raises:
        DocumentError: if it can't be read or holds none.
    """
    pairs = read_pairs(path, None if options == ReadOptions() else options)
    return tuple((pair.question, pair.answers) for pair in pairs)


def with_questions(found: Found, questions: Questions) -> Found:
    """``found`` with ``questions`` in the place of its own, if it is a document and there are."""
    if questions and isinstance(found, Document):
        return replace(found, questions=questions)
    return found
