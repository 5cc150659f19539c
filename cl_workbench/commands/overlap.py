"""``cl-workbench overlap``: which learned documents a new one would disturb."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from cl_workbench.commands.console import json_output, progress_display
from cl_workbench.commands.figures import overlap_phrase
from cl_workbench.commands.options import CHECKPOINT, Workspace, shared_options
from cl_workbench.commands.reading import path_of, read_documents, tell_failure
from cl_workbench.commands.session import engine_of, open_engine, open_host, require_checkpoint
from cl_workbench.commands.shortcuts import engine_option
from cl_workbench.commands.watching import watched
from cl_workbench.terminal_text import one_line
from engines.abilities import ForeseesInterference
from engines.documents import UnreadableDocument
from engines.protocol import Document, Engine, EngineError, Overlap

if TYPE_CHECKING:
    from cl_workbench.commands.console import ProgressDisplay

Found = tuple[Document, tuple[Overlap, ...]]


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@engine_option
@click.option("--load", type=CHECKPOINT, required=True, help="The checkpoint to compare with.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@shared_options
@click.pass_obj
def overlap(
    workspace: Workspace, *, paths: tuple[str, ...], engine: str | None, load: str, as_json: bool
) -> int:
    """Tell before learning how much of each learned document's neurons PATH would move."""
    workspace.start_log()
    require_checkpoint(workspace, load)
    with json_output() if as_json else nullcontext() as emit:
        read = list(read_documents(workspace, paths))
        failed = [found for found in read if isinstance(found, UnreadableDocument)]
        for failure in failed:
            tell_failure(failure)
        documents = [found for found in read if isinstance(found, Document)]
        name = engine_of(workspace, load, engine)
        found, unforeseen = _foresee(workspace, documents, name, load)
        failed += unforeseen
        if emit:
            emit({"checkpoint": load, "documents": _entries(found), "failed": _named(failed)})
    if not as_json:
        for document, overlaps in found:
            click.echo(f"{one_line(document.title)} ({document.id}): {overlap_line(overlaps)}")
    return int(bool(failed))


def foreseen(
    engine: Engine, documents: Sequence[Document], display: ProgressDisplay
) -> tuple[list[Found], list[UnreadableDocument]]:
    """How much of each learned document's change each of ``documents`` would move.

    A document of which that can't be told is said on stderr and given back apart.

    Raises:
        EngineError: if this engine can't tell before learning.
    """
    if not isinstance(engine, ForeseesInterference):
        raise EngineError(
            f"The engine '{engine.name}' can't foresee what a document disturbs: "
            "leave out --load, or choose another engine."
        )
    found: list[Found] = []
    failed: list[UnreadableDocument] = []
    for document in documents:
        try:
            overlaps = watched(engine.overlaps(document), display, one_line(document.title)[:32])
        except EngineError as error:
            failed.append(UnreadableDocument(path_of(document), str(error)))
            tell_failure(failed[-1])
        else:
            found.append((document, overlaps))
    return found, failed


def overlap_line(overlaps: tuple[Overlap, ...]) -> str:
    """What is said of them: each learned document and its share, the largest first."""
    if not overlaps:
        return "nothing was learned that it could disturb"
    return f"would move {overlap_phrase(overlaps)}"


def _foresee(
    workspace: Workspace, documents: Sequence[Document], engine: str, load: str
) -> tuple[list[Found], list[UnreadableDocument]]:
    if not documents:
        return [], []
    with progress_display() as display:
        opened = open_engine(workspace, engine, open_host(workspace, display, engine), load)
        return foreseen(opened, documents, display)


def _entries(found: Sequence[Found]) -> list[dict[str, Any]]:
    return [
        {
            "id": document.id,
            "path": document.path,
            "title": document.title,
            "overlaps": [asdict(overlap) for overlap in overlaps],
        }
        for document, overlaps in found
    ]


def _named(failed: Sequence[UnreadableDocument]) -> list[dict[str, str]]:
    return [asdict(failure) for failure in failed]
