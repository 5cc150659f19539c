"""The documents that ``validate`` learns, the questions on them, and what counts as right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cl_workbench.commands.reading import read_documents, tell_failure
from engines.documents import UnreadableDocument, read_file, samples
from engines.protocol import Document, EngineError
from engines.samples import sample_questions

if TYPE_CHECKING:
    from cl_workbench.commands.options import Workspace


_UNSPACED = (
    "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Chinese, Japanese
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
)
_APOSTROPHES = str.maketrans("\u2018\u2019\u02bc", "'''")
_SPACED = rf"[^\W{_UNSPACED}]"


@dataclass(frozen=True, slots=True)
class Question:
    """A question, what counts as its answer, and the id of the document that holds it."""

    text: str
    answers: tuple[str, ...]
    document_id: str

    def answered_in(self, text: str) -> bool:
        """Whether ``text`` holds an answer in whole words: 18 is not in 1871.

        Line breaks, the shape of an apostrophe and the case make no difference.  Where a
        script has no spaces, an answer may stand anywhere in a run of it.
        """
        plain = _plain(text)
        wanted = (_pattern(_plain(answer)) for answer in self.answers)
        return any(re.search(one, plain, re.IGNORECASE) for one in wanted)


@dataclass(frozen=True, slots=True)
class Exam:
    """What is learned and asked; ``unread`` counts the files that could not be read."""

    documents: tuple[Document, ...]
    questions: tuple[Question, ...]
    unread: int = 0


def exam_on(workspace: Workspace, paths: Sequence[str], count: int) -> Exam:
    """The documents in ``paths``, else the samples, with ``count`` questions spread over them.

    Raises:
        EngineError: if the documents bring no question with an answer.
    """
    documents, asked, unread = _read(workspace, paths) if paths else _samples()
    if not documents:
        return Exam((), (), unread)
    if not asked:
        raise EngineError(
            "These documents bring no questions: name a .jsonl file with the fields text, "
            "question and answer, or no path for the samples."
        )
    return Exam(tuple(documents), tuple(_spread(asked, count)), unread)


def _plain(text: str) -> str:
    return " ".join(text.translate(_APOSTROPHES).split())


def _pattern(answer: str) -> str:
    """``answer`` with no letter or digit beside an end of it that is one, without spaces aside."""
    before = rf"(?<!{_SPACED})" if re.match(_SPACED, answer) else ""
    after = rf"(?!{_SPACED})" if re.search(rf"{_SPACED}\Z", answer) else ""
    return before + re.escape(answer) + after


def _samples() -> tuple[list[Document], list[Question], int]:
    documents = [read_file(path) for path in samples()]
    ids = {path.name: one.id for path, one in zip(samples(), documents, strict=True)}
    asked = [Question(q.question, q.answers, ids[q.document]) for q in sample_questions()]
    return documents, asked, 0


def _read(workspace: Workspace, paths: Sequence[str]) -> tuple[list[Document], list[Question], int]:
    documents: dict[str, Document] = {}
    asked: dict[Question, None] = {}  # in order, and what is given twice is asked once
    unread = 0
    for found in read_documents(workspace, paths):
        if isinstance(found, UnreadableDocument):
            tell_failure(found)
            unread += 1
            continue
        documents.setdefault(found.id, found)
        asked |= dict.fromkeys(_questions_on(found))
    return list(documents.values()), list(asked), unread


def _questions_on(document: Document) -> list[Question]:
    """Those that have an answer: one that the text leaves open can't be told right or wrong."""
    pairs = ((q, tuple(a for a in answers if a.strip())) for q, answers in document.questions)
    return [Question(q, answers, document.id) for q, answers in pairs if answers]


def _spread(questions: Sequence[Question], count: int) -> list[Question]:
    step = max(1.0, len(questions) / count)
    return [questions[int(i * step)] for i in range(min(count, len(questions)))]
