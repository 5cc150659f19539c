"""Contexts with their questions, from files of JSON lines.

Nothing here imports torch.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.protocol import DocumentError

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"”')\]]*\s+(?=[\"“'(\[]*[A-Z0-9])")
_SHORTEST_SENTENCE = 20  # characters: less is an abbreviation that looked like an end


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the answers that count as right, the first of them as the target."""

    question: str
    answers: tuple[str, ...]

    @property
    def target(self) -> str:
        """What a student is to answer where the data's answers are learned."""
        return self.answers[0]


@dataclass(frozen=True, slots=True)
class Context:
    """A text and what is asked about it.

    ``origin`` is the text that it was taken from, itself or a whole paragraph: whether it is
    held out hangs on that, so a sentence is never trained on whose paragraph is held out.
    """

    text: str
    asked: tuple[Asked, ...]
    source: str
    origin: str = ""

    @property
    def key(self) -> str:
        """16 hex digits that name the text."""
        return digest(self.text)

    def is_held_out(self, percent: float) -> bool:
        """Whether it belongs to the ``percent`` of contexts that are kept for evaluation.

        That hangs on its origin's text alone, so it is the same in every run and file.
        """
        share = int(digest(f"held out\x00{self.origin or self.text}")[:8], 16) / 2**32
        return share * 100 < percent


def digest(text: str) -> str:
    """16 hex digits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_contexts(path: Path, source: str) -> list[Context]:
    """The contexts of a ``.jsonl`` or ``.jsonl.gz`` file in the order they first appear.

    Lines with the same context are put together; lines without an answer are left out, as are
    questions asked twice.

    Raises:
        DocumentError: if the file can't be read, or no line of it can be used.
    """
    rows = (_object(line, path, n) for n, line in enumerate(_lines(path), 1) if line.strip())
    return contexts_from(rows, source, str(path))


def contexts_from(rows: Iterable[Mapping[str, Any]], source: str, place: str) -> list[Context]:
    """The contexts of rows with the fields of such lines; ``place`` is where they are from.

    Raises:
        DocumentError: if no row can be used.
    """
    found: dict[str, dict[str, Asked]] = {}
    for row in rows:
        if (used := _used(row)) is not None:
            context, asked = used
            found.setdefault(context, {}).setdefault(asked.question, asked)
    if not found:
        raise DocumentError(
            f"{place} has nothing with a context, a question and answers: name another source."
        )
    return [Context(text, tuple(asked.values()), source) for text, asked in found.items()]


def sentences_of(contexts: Iterable[Context]) -> list[Context]:
    """Each sentence that holds an answer, with the questions whose answer it holds.

    An answer that stands in several sentences of its context says nothing about which one
    the question is about, so such a question is left out.
    """
    made = []
    for context in contexts:
        parts = sentences(context.text)
        placed: dict[int, list[Asked]] = {}
        for asked in context.asked:
            places = [n for n, part in enumerate(parts) if asked.target in part]
            if len(places) == 1:
                placed.setdefault(places[0], []).append(asked)
        for n, questions in sorted(placed.items()):
            made.append(Context(parts[n], tuple(questions), context.source, context.text))
    return made


def sentences(text: str) -> list[str]:
    """``text`` in sentences; very short ones go with the one after."""
    parts, held = [], ""
    for part in _SENTENCE_END.split(" ".join(text.split())):
        held = f"{held} {part}".strip()
        if len(held) >= _SHORTEST_SENTENCE:
            parts.append(held)
            held = ""
    return [*parts, held] if held else parts


def _lines(path: Path) -> Iterator[str]:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8") as stream:
                yield from stream
        else:
            with path.open(encoding="utf-8") as stream:
                yield from stream
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DocumentError(
            f"{path} can't be read: {error}. Give the folder of the data with --data."
        ) from error


def _object(line: str, path: Path, number: int) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DocumentError(f"Line {number} of {path} is not JSON: mend or remove it.") from error
    if not isinstance(row, Mapping):
        raise DocumentError(f"Line {number} of {path} is not a JSON object: mend or remove it.")
    return row


def _used(row: Mapping[str, Any]) -> tuple[str, Asked] | None:
    context, question = row.get("context"), row.get("question")
    answers = _answers(row.get("answers", row.get("answer")))
    if not (_is_text(context) and _is_text(question) and answers):
        return None
    return str(context).strip(), Asked(str(question).strip(), answers)


def _answers(given: Any) -> tuple[str, ...]:
    if isinstance(given, Mapping):  # {"text": [...], "answer_start": [...]}, as in SQuAD
        given = given.get("text")
    listed = given if isinstance(given, list) else [given]
    return tuple(answer.strip() for answer in listed if _is_text(answer))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
