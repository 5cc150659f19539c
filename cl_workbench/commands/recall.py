"""``cl-workbench recall``: how much of a text is in the model, learned or not."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click

from cl_workbench.commands.console import json_output, progress_display
from cl_workbench.commands.figures import signed_percent
from cl_workbench.commands.options import CHECKPOINT, Workspace, shared_options
from cl_workbench.commands.reading import path_of, read_documents, tell_failure
from cl_workbench.commands.session import engine_of, open_engine, open_host, require_checkpoint
from cl_workbench.commands.shortcuts import engine_option
from cl_workbench.commands.watching import watched
from cl_workbench.terminal_text import one_line
from engines.abilities import MeasuresRecall, Recall
from engines.documents import UnreadableDocument
from engines.protocol import Document, Engine, EngineError

if TYPE_CHECKING:
    from cl_workbench.commands.console import ProgressDisplay


@dataclass(slots=True)
class _Measured:
    """The documents that were scored, and those that could not be."""

    model: str | None = None
    scored: list[tuple[Document, Recall, bool]] = field(default_factory=list)
    failed: list[UnreadableDocument] = field(default_factory=list)

    def fail(self, failure: UnreadableDocument) -> None:
        self.failed.append(failure)
        tell_failure(failure)

    def record(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "documents": [_entry(*scored) for scored in self.scored],
            "failed": [asdict(failure) for failure in self.failed],
        }


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@engine_option
@click.option("--load", type=CHECKPOINT, help="Measure a saved checkpoint.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@shared_options
@click.pass_obj
def recall(
    workspace: Workspace,
    *,
    paths: tuple[str, ...],
    engine: str | None,
    load: str | None,
    as_json: bool,
) -> int:
    """Measure how well each PATH is predicted by the base model, and as learned.

    After a document was forgotten this tells what remains of it.
    """
    workspace.start_log()
    require_checkpoint(workspace, load)
    measured = _Measured()
    with json_output() if as_json else nullcontext() as emit:
        documents = _read(workspace, paths, measured)
        if documents:
            name = engine_of(workspace, load, engine)
            _measure(workspace, documents, measured, name, load)
        if emit:
            emit(measured.record())
    if not as_json:
        for document, scored, learned in measured.scored:
            click.echo(_line(document, scored, learned))
    return int(bool(measured.failed))


def share_gained(recall: Recall) -> float:
    """By which share of the base model's loss the learned state predicts better (0 is none)."""
    return (recall.base_loss - recall.loss) / recall.base_loss if recall.base_loss else 0.0


def _read(workspace: Workspace, paths: Sequence[str], measured: _Measured) -> list[Document]:
    documents = []
    for found in read_documents(workspace, paths):
        if isinstance(found, UnreadableDocument):
            measured.fail(found)
        else:
            documents.append(found)
    return documents


def _measure(
    workspace: Workspace,
    documents: Sequence[Document],
    measured: _Measured,
    name: str,
    load: str | None,
) -> None:
    with progress_display() as display:
        host = open_host(workspace, display, name)
        measured.model = host.name
        engine = open_engine(workspace, name, host, load)
        learned = {report.id for report in engine.documents}
        for document in documents:
            try:
                scored = _recall(engine, document, display)
            except EngineError as error:
                measured.fail(UnreadableDocument(path_of(document), str(error)))
            else:
                measured.scored.append((document, scored, document.id in learned))


def _recall(engine: Engine, document: Document, display: ProgressDisplay) -> Recall:
    if not isinstance(engine, MeasuresRecall):
        raise EngineError(
            f"The engine '{engine.name}' can't measure recall: ttt and jitrl-full can."
        )
    return watched(engine.recall(document), display, one_line(document.title)[:32])


def _entry(document: Document, scored: Recall, learned: bool) -> dict[str, Any]:
    return {
        "id": document.id,
        "path": document.path,
        "title": document.title,
        "learned": learned,
        **asdict(scored),
        "share": share_gained(scored),
    }


def _line(document: Document, scored: Recall, learned: bool) -> str:
    ledger = "in the ledger" if learned else "not in the ledger"
    return (
        f"{one_line(document.title)} ({document.id}), {ledger}: {scored.tokens:,} tokens, "
        f"NLL {scored.base_loss:.2f} as the base model, {scored.loss:.2f} now "
        f"({signed_percent(-share_gained(scored))})"
    )
