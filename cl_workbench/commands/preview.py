"""What ``learn --dry-run`` tells: what would be read, and what it would disturb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from cl_workbench.commands.console import Emit, progress_display
from cl_workbench.commands.options import Workspace
from cl_workbench.commands.outcome import Outcome
from cl_workbench.commands.overlap import foreseen, overlap_line
from cl_workbench.commands.reading import path_of
from cl_workbench.commands.session import open_engine, open_host
from cl_workbench.terminal_text import one_line
from engines.decoding import counted
from engines.protocol import Document, Engine, Overlap

if TYPE_CHECKING:
    from cl_workbench.commands.console import ProgressDisplay

Previewed = tuple[Document, tuple[Overlap, ...] | None]


def previewed(
    workspace: Workspace, documents: Sequence[Document], outcome: Outcome, load: str | None
) -> list[Previewed]:
    """What each document would disturb; None where there is nothing to compare it with."""
    if load is None or not documents:
        return [(document, None) for document in documents]
    with progress_display() as display:
        opened = _opened(workspace, outcome.engine, display, load)
        found, failed = foreseen(opened, documents, display)
    outcome.failed += failed
    return [*found]


def _opened(workspace: Workspace, name: str, display: ProgressDisplay, load: str | None) -> Engine:
    return open_engine(workspace, name, open_host(workspace, display, name), load)


def tell_preview(
    found: Sequence[Previewed], outcome: Outcome, emit: Emit | None, practice: int = 0
) -> None:
    """Say what would be learned: characters, as to count tokens takes a model.

    ``practice`` is how many questions would be practised on without a document.
    """
    if emit:
        entries = [_entry(document, overlaps) for document, overlaps in found]
        failed = [{"path": f.path, "reason": f.reason} for f in outcome.failed]
        alone = {"would_practise_on": practice} if practice else {}
        emit({"would_learn": entries, "failed": failed} | alone)
        return
    if practice:
        click.echo(f"{counted(practice, 'question')} would be practised on.")
        return
    for document, overlaps in found:
        size = f"{len(document.text):,} characters"
        items = f"  {counted(len(document.study), 'study item')}" if document.study else ""
        if document.questions:
            items += f"  {counted(len(document.questions), 'question')}"
        click.echo(one_line(f"{path_of(document)}  {document.title}") + f"  {size}{items}")
        if overlaps is not None:
            click.echo(f"  {overlap_line(overlaps)}")
    click.echo(f"{len(found)} would be learned, {len(outcome.failed)} can't be.")


def _entry(document: Document, overlaps: tuple[Overlap, ...] | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": document.id,
        "path": document.path,
        "title": document.title,
        "characters": len(document.text),
    }
    if document.study:
        entry["study_items"] = len(document.study)
    if document.questions:
        entry["questions"] = len(document.questions)
    if overlaps is not None:
        entry["overlaps"] = [asdict(overlap) for overlap in overlaps]
    return entry
