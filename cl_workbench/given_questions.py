"""Questions from a file of their own, for documents to be learned by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from engines.ace.questions import read_noted_pairs
from engines.documents import ReadOptions
from engines.protocol import Document

Questions = tuple[tuple[str, tuple[str, ...]], ...]
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Given:
    """Questions, each with the answers that are right, and sentences on what was left out."""

    questions: Questions = ()
    notes: tuple[str, ...] = ()


def questions_of(path: Path, options: ReadOptions | None = None) -> Given:
    """The questions of a ``.jsonl`` file.

    Raises:
        DocumentError: if it can't be read or holds none.
    """
    pairs, notes = read_noted_pairs(path, None if options == ReadOptions() else options)
    return Given(tuple((pair.question, pair.answers) for pair in pairs), notes)


def with_questions(found: Found, given: Given) -> Found:
    """``found`` with what was given in the place of its own, if it is a document and there is."""
    if given.questions and isinstance(found, Document):
        notes = (*found.notes, *given.notes)
        return replace(found, questions=given.questions, notes=notes)
    return found
