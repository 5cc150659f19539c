"""Questions with their right answers, and the part of them that is never learned from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engines.decoding import clean, counted
from engines.documents import ReadOptions, read_file
from engines.jsonlines import NoUsableLineError
from engines.protocol import Document, DocumentError

MAX_PAIRS = 10_000
_FEWEST_TO_SPLIT = 3

# As the Formula and FiNER tasks name their fields.
_TASK_FIELDS = ReadOptions(text_fields=("text",), question_field="context", answer_field="target")


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, every answer that is right, and the id of the document it is about.

    A ``written`` question is the model's own.
    """

    question: str
    answers: tuple[str, ...]
    document: str | None = None
    kind: Literal["given", "written"] = "given"


@dataclass(frozen=True, slots=True)
class Split:
    """The questions to learn from, and those that only tell how good the playbook is."""

    learned: tuple[Pair, ...] = ()
    validation: tuple[Pair, ...] = ()


def pairs_of(document: Document) -> tuple[Pair, ...]:
    """The questions that came with ``document``; one that has no answer is left out."""
    return _pairs(document.questions, document.id)


def read_pairs(path: str | Path, options: ReadOptions | None = None) -> tuple[Pair, ...]:
    """The questions in a ``.jsonl`` file, as ``question`` and ``answer`` or ``answers``.

    Without ``options``, ``context`` and ``target`` are understood too.

    Raises:
        DocumentError: if the file can't be read or holds no question.
    """
    return read_noted_pairs(path, options)[0]


def read_noted_pairs(
    path: str | Path, options: ReadOptions | None = None
) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """``read_pairs``, and sentences on the lines that were left out.

    Raises:
        DocumentError: if the file can't be read or holds no question.
    """
    why = ""
    for fields in (options,) if options is not None else (None, _TASK_FIELDS):
        try:
            found = read_file(path, fields)
        except NoUsableLineError as error:
            why = why or error.why
            continue
        if found.questions:
            return _pairs(found.questions, None), (*found.notes, *_too_many(found.questions))
    needed = options or ReadOptions()
    because = f" ({why})" if why else ""
    raise DocumentError(
        f"{Path(path).name} holds no question{because}: each line needs a "
        f"'{needed.question_field}' and an '{needed.answer_field}'.",
        str(path),
    )


def split(pairs: Sequence[Pair], share: float, most: int, seed: int) -> Split:
    """Put ``share`` (0..1) of the questions aside for validation, at most ``most``.

    The same questions and seed give the same parts.  Of three questions or more at least one
    is put aside, unless ``share`` or ``most`` is 0, and at least one is left.  A question that is
    there twice is never in both parts.
    """
    unique = list({pair.question.strip().casefold(): pair for pair in reversed(pairs)}.values())
    unique.reverse()
    if share <= 0 or most <= 0 or len(unique) < _FEWEST_TO_SPLIT:
        return Split(tuple(unique))
    count = min(max(1, round(share * len(unique))), most, len(unique) - 1)
    aside = set(random.Random(seed).sample(range(len(unique)), count))
    return Split(
        tuple(pair for place, pair in enumerate(unique) if place not in aside),
        tuple(pair for place, pair in enumerate(unique) if place in aside),
    )


def is_only_questions(document: Document) -> bool:
    """Whether the text is nothing but the questions written out with their answers.

    So is that of a file of JSON lines without texts; to show it to a role would give every
    answer away.
    """
    if not document.questions:
        return False
    written = "\n\n".join(f"Question: {q}\nAnswer: {a[0]}" for q, a in document.questions if a)
    return clean(written)[0].strip() == document.text.strip()


def _too_many(questions: Sequence[object]) -> tuple[str, ...]:
    beyond = len(questions) - MAX_PAIRS
    if beyond <= 0:
        return ()
    return (f"{counted(beyond, 'question')} after the first {MAX_PAIRS:,} were left out",)


def _pairs(
    questions: Sequence[tuple[str, tuple[str, ...]]], document: str | None
) -> tuple[Pair, ...]:
    usable = [(q, tuple(a for a in answers if a.strip())) for q, answers in questions if q.strip()]
    return tuple(Pair(q, answers, document) for q, answers in usable if answers)[:MAX_PAIRS]
