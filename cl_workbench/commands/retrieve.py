"""``cl-workbench retrieve``: the passages that an answer would rest on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import click

from cl_workbench.commands.console import json_output, progress_display
from cl_workbench.commands.options import CHECKPOINT, Workspace, shared_options
from cl_workbench.commands.questions import asked_questions
from cl_workbench.commands.session import open_engine, open_host, require_checkpoint
from cl_workbench.commands.shortcuts import engine_option
from cl_workbench.terminal_text import one_line
from engines.abilities import Retrieves
from engines.protocol import Engine, EngineError, Passage, Retrieval

_EXCERPT = 160


@click.command()
@click.argument("queries", nargs=-1, required=True, metavar="QUERY...")
@engine_option
@click.option("--load", type=CHECKPOINT, required=True, help="Look into a saved checkpoint.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each query.")
@shared_options
@click.pass_obj
def retrieve(
    workspace: Workspace, *, queries: tuple[str, ...], engine: str, load: str, as_json: bool
) -> int:
    """Show which passages are found for each QUERY, and how they score; quote each query.

    Nothing is answered. Engines that retrieve are the jitrl ones.
    """
    workspace.start_log()
    asked = asked_questions(queries, None, workspace.settings)
    require_checkpoint(workspace, load)
    with json_output() if as_json else nullcontext() as emit:
        with progress_display() as display:
            host = open_host(workspace, display)
            found = _retrieved(open_engine(workspace, engine, host, load), asked)
        for retrieval in found:
            if emit:
                emit(record_of(retrieval))
            else:
                _print(retrieval, several=len(found) > 1)
    return 0


def record_of(retrieval: Retrieval) -> dict[str, Any]:
    """What ``--json`` prints of a retrieval."""
    return dataclasses.asdict(retrieval)


def _retrieved(engine: Engine, queries: Sequence[str]) -> list[Retrieval]:
    if not isinstance(engine, Retrieves):
        raise EngineError(f"The engine '{engine.name}' retrieves nothing: use --engine jitrl-mvp.")
    return [engine.retrieve(query) for query in queries]


def _print(retrieval: Retrieval, *, several: bool) -> None:
    if several:
        click.echo(f"> {one_line(retrieval.query)}")
    for rank, passage in enumerate(retrieval.passages, start=1):
        click.echo(f"{rank:>3}  {passage.score:6.3f}  {_place(passage)}")
        click.echo(f"             {_excerpt(passage.text)}")
    if retrieval.note:
        click.echo(one_line(retrieval.note))
    if several:
        click.echo()


def _place(passage: Passage) -> str:
    return f"{one_line(passage.title)} ({passage.document_id}), passage {passage.number}"


def _excerpt(text: str) -> str:
    shown = one_line(text)
    return shown if len(shown) <= _EXCERPT else f"{shown[: _EXCERPT - 1]}…"
