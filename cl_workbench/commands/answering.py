"""Answers as they are printed: streamed as text, or as one record for each."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from cl_workbench import assembly
from cl_workbench.terminal_text import one_line, printable
from engines.protocol import Citation, EngineError, Piece, Retrieval, Turn

if TYPE_CHECKING:
    from cl_workbench.commands.console import Emit
    from cl_workbench.settings import Settings

log = logging.getLogger(__name__)

_SHOWN_OF_QUESTION = 80
_SHOWN_OF_PASSAGE = 300


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who answers: the names to print and the function that streams."""

    engine: str
    model: str
    reply: Callable[[Sequence[Turn]], Iterator[Piece]]


@dataclass(frozen=True, slots=True)
class Condition:
    """One way to answer, such as at an α or without a document.

    ``heading`` is printed above the answer, ``fields`` go into its record, and the answer is
    written inside the block that ``enter`` opens.
    """

    heading: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    enter: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks each question under each condition, and goes on where one answer fails."""

    answerer: Answerer
    conditions: Sequence[Condition]
    settings: Settings
    emit: Emit | None

    def ask_all(self, questions: Sequence[str]) -> bool:
        """Print all answers; false if one failed, which is told on stderr."""
        fine = True
        for question in questions:
            if self.emit:
                fine &= self._emit_records(question, self.emit)
                continue
            if len(questions) > 1:
                click.echo(f"> {one_line(question)}")
            for condition in self.conditions:
                fine &= self._print(question, condition, spaced=len(questions) > 1)
        return fine

    def _emit_records(self, question: str, emit: Emit) -> bool:
        """One object, or where there are several conditions a list with one for each."""
        records = [self._record(question, condition) for condition in self.conditions]
        emit(records if len(records) > 1 else records[0])
        return not any("error" in record for record in records)

    def _record(self, question: str, condition: Condition) -> dict[str, Any]:
        turns = assembly.conversation(question, self.settings)
        try:
            with condition.enter():
                record = answer_record(question, turns, self.answerer)
        except Exception as error:
            reason = _reason(error)
            _tell(question, reason)
            record = {"question": question, "error": reason}
        return record | condition.fields

    def _print(self, question: str, condition: Condition, *, spaced: bool) -> bool:
        if condition.heading is not None:
            click.echo(f"[{one_line(condition.heading)}]")
        turns = assembly.conversation(question, self.settings)
        try:
            with condition.enter():
                _stream(turns, self.answerer, spaced=spaced or condition.heading is not None)
        except BrokenPipeError:
            raise
        except Exception as error:
            _tell(question, _reason(error))
            return False
        return True


def answer_record(question: str, turns: Sequence[Turn], answerer: Answerer) -> dict[str, Any]:
    """The object that ``--json`` prints for one answer."""
    started = time.perf_counter()
    pieces = list(answerer.reply(turns))
    record: dict[str, Any] = {
        "question": question,
        "answer": "".join(piece.text for piece in pieces).strip(),
        "engine": answerer.engine,
        "model": answerer.model,
        "seconds": round(time.perf_counter() - started, 3),
        "new_tokens": sum(piece.tokens for piece in pieces),
    }
    citations = _citations(pieces)
    if citations:
        record["citations"] = [dataclasses.asdict(citation) for citation in citations]
    if (retrieval := _retrieval(pieces)) is not None:
        record["retrieval"] = dataclasses.asdict(retrieval)
    if nudged := [piece.nudge for piece in pieces if piece.nudge is not None]:
        record["nudged"] = [dataclasses.asdict(nudge) for nudge in nudged]
    return record


def _reason(error: Exception) -> str:
    if isinstance(error, EngineError):
        return str(error)
    log.error("answering failed", exc_info=error)
    return f"Answering failed unexpectedly ({type(error).__name__}); see the log."


def _tell(question: str, reason: str) -> None:
    shown = one_line(question)
    if len(shown) > _SHOWN_OF_QUESTION:
        shown = f"{shown[:_SHOWN_OF_QUESTION]}…"
    click.echo(f"{shown}: {one_line(reason)}", err=True)


def _stream(turns: Sequence[Turn], answerer: Answerer, *, spaced: bool) -> None:
    pieces = []
    try:
        for piece in answerer.reply(turns):
            click.echo(printable(piece.text), nl=False)
            pieces.append(piece)
    finally:
        click.echo("\n" if spaced else "")
    for citation in _citations(pieces):
        click.echo(f"  {_source(citation)}")
    retrieval = _retrieval(pieces)
    if retrieval is not None and retrieval.note:
        click.echo(one_line(retrieval.note), err=True)


def _source(citation: Citation) -> str:
    """Where it stands, and the words that the answer rests on."""
    number = "" if citation.number is None else f"[{citation.number}] "
    words = one_line(citation.passage[citation.start : citation.end] or citation.passage)
    shown = words if len(words) <= _SHOWN_OF_PASSAGE else f"{words[: _SHOWN_OF_PASSAGE - 1]}…"
    return f"{number}{one_line(citation.title)}: {shown}"


def _retrieval(pieces: Sequence[Piece]) -> Retrieval | None:
    # A later one tells more: that nothing moved the answer is known only when it is written.
    return next((piece.retrieval for piece in reversed(pieces) if piece.retrieval), None)


def _citations(pieces: Sequence[Piece]) -> list[Citation]:
    return [citation for piece in pieces for citation in piece.citations]
