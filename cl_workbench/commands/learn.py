"""``cl-workbench learn``: documents, one after the other, into one engine."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from cl_workbench import assembly
from cl_workbench.commands.console import (
    ProgressDisplay,
    json_output,
    learning_detail,
    progress_display,
)
from cl_workbench.commands.interrupts import Interrupts
from cl_workbench.commands.options import CHECKPOINT, Workspace, shared_options
from cl_workbench.commands.outcome import Outcome, summarise
from cl_workbench.commands.session import open_engine, open_host, require_checkpoint
from cl_workbench.home import made
from cl_workbench.terminal_text import one_line
from engines.documents import UnreadableDocument, read_paths, read_stream
from engines.protocol import Document, DocumentError, Engine, EngineError, LearnReport, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

STANDARD_INPUT = "-"


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--engine",
    type=click.Choice(assembly.engine_names()),
    default="ttt",
    show_default=True,
    help="The strategy to learn with.",
)
@click.option("--save", type=CHECKPOINT, help="Save what was learned; replaces that checkpoint.")
@click.option("--load", type=CHECKPOINT, help="Go on from a saved checkpoint.")
@click.option("--dry-run", is_flag=True, help="Show what would be read, and learn nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@shared_options
@click.pass_obj
def learn(
    workspace: Workspace,
    *,
    paths: tuple[str, ...],
    engine: str,
    save: str | None,
    load: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Learn files and folders, or standard input where PATH is -."""
    workspace.start_log()
    started = time.perf_counter()
    outcome = Outcome(engine)
    with json_output() if as_json else nullcontext() as emit:
        documents = _read(workspace, paths, outcome)
        if dry_run:
            _preview(workspace, documents, outcome, emit)
            return outcome.exit_code
        _check_places(workspace, save, load)
        if documents:
            _learn_all(workspace, documents, outcome, save, load)
        outcome.seconds = time.perf_counter() - started
        if emit:
            emit(outcome.record())
    if not as_json:
        summarise(outcome)
    return outcome.exit_code


def _read(workspace: Workspace, paths: Sequence[str], outcome: Outcome) -> list[Document]:
    """Read all of ``paths``; what can't be read is noted as failed and said at once."""
    options = assembly.read_options(workspace.settings)
    documents: list[Document] = []
    for path in paths:
        if path == STANDARD_INPUT:
            try:
                documents.append(read_stream(sys.stdin.buffer, options))
            except DocumentError as error:
                _fail(outcome, path, error.reason)
            continue
        for found in read_paths([path], options):
            if isinstance(found, Document):
                documents.append(found)
            else:
                _fail(outcome, found.path, found.reason)
    return documents


def _check_places(workspace: Workspace, save: str | None, load: str | None) -> None:
    """Find out that saving or loading can't work before minutes are spent."""
    require_checkpoint(workspace, load)
    if save is not None:
        made(workspace.home.checkpoints)


def _learn_all(
    workspace: Workspace,
    documents: list[Document],
    outcome: Outcome,
    save: str | None,
    load: str | None,
) -> None:
    with progress_display() as display:
        host = open_host(workspace, display)
        outcome.model = host.name
        engine = open_engine(workspace, outcome.engine, host, load)
        with Interrupts("Stopping at the next batch; Ctrl-C again stops at once.") as interrupts:
            _Lesson(engine, outcome, display, interrupts).learn(documents)
        if save is not None and outcome.learned:
            display.show(f"saving {save}", None)
            _save(engine, workspace.home.checkpoint(save), outcome)


def _save(engine: Engine, folder: Path, outcome: Outcome) -> None:
    """Save; a failure is noted, as what was learned until here still has to be told."""
    try:
        engine.save(folder)
    except EngineError as error:
        fault = str(error)
    except KeyboardInterrupt:
        outcome.interrupted = True
        fault = f"Saving as {folder.name} was interrupted."
    except Exception as error:
        log.exception("saving %s failed", folder)
        fault = f"Saving failed unexpectedly ({type(error).__name__}); see the log."
    else:
        outcome.saved = folder.name
        return
    outcome.save_error = fault
    click.echo(f"Not saved: {one_line(fault)}", err=True)


@dataclass(frozen=True, slots=True)
class _Lesson:
    """One engine learning documents, shown as it goes, until it is interrupted."""

    engine: Engine
    outcome: Outcome
    display: ProgressDisplay
    interrupts: Interrupts

    def learn(self, documents: Sequence[Document]) -> None:
        for number, document in enumerate(documents, start=1):
            done = len(self.outcome.learned) + len(self.outcome.failed)
            if not self.interrupts.requested:
                self._learn_one(document, _label(document, number, len(documents)))
            if done == len(self.outcome.learned) + len(self.outcome.failed):
                reason = "It was interrupted before it was learned."
                _fail(self.outcome, _path(document), reason)
        self.outcome.interrupted = self.interrupts.requested

    def _learn_one(self, document: Document, label: str) -> None:
        try:
            for event in self._events(document):
                if isinstance(event, Progress):
                    stage = f"{label} {event.stage}"
                    self.display.show(stage, event.fraction, learning_detail(event))
                else:
                    self.outcome.learned.append(event)
                    log.info("learned %s", event)
                    _tell_notes(event)
        except EngineError as error:
            _fail(self.outcome, _path(document), str(error))
        except Exception as error:
            log.exception("learning %s failed", _path(document))
            reason = f"Learning it failed unexpectedly ({type(error).__name__}); see the log."
            _fail(self.outcome, _path(document), reason)

    def _events(self, document: Document) -> Iterator[Progress | LearnReport]:
        """The engine's events up to an interruption, which cancels at the end of its batch."""
        events = self.engine.learn(document)
        try:
            for event in events:
                if self.interrupts.requested and isinstance(event, Progress):
                    return
                yield event
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()


def _label(document: Document, number: int, count: int) -> str:
    return f"[{number}/{count}] {one_line(document.title)[:32]}"


def _tell_notes(report: LearnReport) -> None:
    for note in report.notes:
        click.echo(f"{one_line(report.title)}: {one_line(note)}", err=True)


def _path(document: Document) -> str:
    return document.path or STANDARD_INPUT


def _fail(outcome: Outcome, path: str, reason: str) -> None:
    outcome.failed.append(UnreadableDocument(path, reason))
    click.echo(one_line(reason if path in reason else f"{path}: {reason}"), err=True)


def _preview(workspace: Workspace, documents: list[Document], outcome: Outcome, emit: Any) -> None:
    """Say what would be learned, without a model: characters, as tokens need one."""
    if emit:
        entries = [
            {"id": d.id, "path": d.path, "title": d.title, "characters": len(d.text)}
            for d in documents
        ]
        failed = [{"path": f.path, "reason": f.reason} for f in outcome.failed]
        emit({"would_learn": entries, "failed": failed})
        return
    for document in documents:
        size = f"{len(document.text):,} characters"
        click.echo(one_line(_path(document)) + f"  {one_line(document.title)}  {size}")
    click.echo(f"{len(documents)} would be learned, {len(outcome.failed)} can't be read.")
