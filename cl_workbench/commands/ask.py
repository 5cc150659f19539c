"""``cl-workbench ask``: questions to what was learned, or to the unchanged base model."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cl_workbench import assembly
from cl_workbench.commands.console import Emit, json_output, progress_display
from cl_workbench.commands.options import CHECKPOINT, Workspace, shared_options
from cl_workbench.commands.session import open_engine, open_host, require_checkpoint
from cl_workbench.terminal_text import one_line, printable
from engines.protocol import Citation, EngineError, Piece, Turn

if TYPE_CHECKING:
    from cl_workbench.settings import Settings

log = logging.getLogger(__name__)

BASE = "base"
_SHOWN_OF_QUESTION = 80

Reply = Callable[[Sequence[Turn]], Iterator[Piece]]


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who answers: the names to print and the function that streams."""

    engine: str
    model: str
    reply: Reply


@click.command()
@click.argument("questions", nargs=-1, metavar="QUESTION...")
@click.option(
    "--questions",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ask what FILE holds: .txt with one question a line, or .jsonl with a question field.",
)
@click.option(
    "--engine",
    type=click.Choice(assembly.engine_names()),
    default="ttt",
    show_default=True,
    help="The strategy that learned.",
)
@click.option("--load", type=CHECKPOINT, help="Answer from a saved checkpoint.")
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1),
    help="Share of the original model in the blend: 1 is the base, 0 only what was learned.",
)
@click.option("--base", is_flag=True, help="Let the unchanged base model answer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line on stdout.")
@shared_options
@click.pass_obj
def ask(
    workspace: Workspace,
    *,
    questions: tuple[str, ...],
    file: Path | None,
    engine: str,
    load: str | None,
    alpha: float | None,
    base: bool,
    as_json: bool,
) -> int:
    """Ask one or more questions and stream the answers; quote each question."""
    if base and alpha is not None:
        raise click.UsageError("--base is the model without any blend: leave out --alpha.")
    workspace.start_log()
    asked = _asked(questions, file, workspace.settings)
    if not base:
        require_checkpoint(workspace, load)
    with json_output() if as_json else nullcontext() as emit:
        with progress_display() as display:
            host = open_host(workspace, display)
            if base:
                answerer = _base(host, workspace.settings)
            else:
                learned = open_engine(workspace, engine, host, load)
                answerer = _learned(learned, host.name, workspace.settings, alpha)
        return _answer_all(asked, answerer, workspace.settings, emit)


def _asked(questions: tuple[str, ...], file: Path | None, settings: Settings) -> list[str]:
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


def _base(host: Any, settings: Settings) -> Answerer:
    how = assembly.sampling(settings)
    return Answerer(BASE, host.name, lambda turns: host.reply(turns, how))


def _learned(engine: Any, model: str, settings: Settings, alpha: float | None) -> Answerer:
    if alpha is not None:
        if not hasattr(engine, "alpha"):
            raise EngineError(f"The engine '{engine.name}' has no alpha: leave out --alpha.")
        engine.alpha = alpha
    how = assembly.sampling(settings)
    return Answerer(engine.name, model, lambda turns: engine.reply(turns, how))


def _answer_all(asked: list[str], answerer: Answerer, settings: Settings, emit: Emit | None) -> int:
    """Answer each question; one that fails is told, and the others still go on."""
    failed = False
    for question in asked:
        turns = assembly.conversation(question, settings)
        try:
            if emit:
                emit(answer_record(question, turns, answerer))
            else:
                _stream(question if len(asked) > 1 else None, turns, answerer)
        except EngineError as error:
            failed = _failed(question, str(error), emit)
        except BrokenPipeError:
            raise
        except Exception as error:
            log.exception("answering failed")
            reason = f"Answering failed unexpectedly ({type(error).__name__}); see the log."
            failed = _failed(question, reason, emit)
    return int(failed)


def _failed(question: str, reason: str, emit: Emit | None) -> bool:
    if emit:
        emit({"question": question, "error": reason})
    shown = one_line(question)
    if len(shown) > _SHOWN_OF_QUESTION:
        shown = f"{shown[:_SHOWN_OF_QUESTION]}…"
    click.echo(f"{shown}: {one_line(reason)}", err=True)
    return True


def answer_record(question: str, turns: Sequence[Turn], answerer: Answerer) -> dict[str, Any]:
    """The object that ``--json`` prints for one question."""
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
    return record


def _stream(heading: str | None, turns: Sequence[Turn], answerer: Answerer) -> None:
    if heading is not None:
        click.echo(f"> {one_line(heading)}")
    pieces = []
    try:
        for piece in answerer.reply(turns):
            click.echo(printable(piece.text), nl=False)
            pieces.append(piece)
    finally:
        click.echo("\n" if heading is not None else "")
    for citation in _citations(pieces):
        click.echo(printable(f"  from {citation.title}: {citation.passage}"))


def _citations(pieces: Sequence[Piece]) -> list[Citation]:
    return [citation for piece in pieces for citation in piece.citations]
