"""``cl-workbench retrieve``: the passages that an answer would rest on."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext

import click

from cl_workbench.commands.console import Emit, json_output, progress_display
from cl_workbench.commands.options import CHECKPOINT, Workspace, shared_options
from cl_workbench.commands.questions import asked_questions
from cl_workbench.commands.session import engine_of, open_engine, open_host, require_checkpoint
from cl_workbench.commands.shortcuts import engine_of_saved_option
from cl_workbench.terminal_text import one_line
from engines.abilities import Retrieves
from engines.protocol import EngineError, Passage, Retrieval

RETRIEVERS = ("jitrl-mvp", "jitrl-full", "ace")
"""The engines that retrieve, so that others are refused before a model is loaded."""

_EXCERPT = 160


@click.command()
@click.argument("queries", nargs=-1, required=True, metavar="QUERY...")
@engine_of_saved_option
@click.option("--load", type=CHECKPOINT, required=True, help="Look into a saved checkpoint.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each query.")
@shared_options
@click.pass_obj
def retrieve(
    workspace: Workspace, *, queries: tuple[str, ...], engine: str | None, load: str, as_json: bool
) -> int:
    """Show which passages are found for each QUERY, and how they score; quote each query.

    Nothing is answered. The engines that retrieve are jitrl-mvp, jitrl-full and ace.
    """
    workspace.start_log()
    asked = asked_questions(queries, None, workspace.settings)
    require_checkpoint(workspace, load)
    with json_output() if as_json else nullcontext() as emit:
        name = engine_of(workspace, load, engine)
        if name not in RETRIEVERS and name == engine_of(workspace, load, None):
            raise _retrieves_nothing(name)
        with progress_display() as display:
            opened = open_engine(workspace, name, open_host(workspace, display, name), load)
        if not isinstance(opened, Retrieves):
            raise _retrieves_nothing(name)
        fine = True
        for query in asked:
            fine &= _find(opened, query, emit, several=len(asked) > 1)
    return int(not fine)


def _retrieves_nothing(engine: str) -> EngineError:
    return EngineError(
        f"The engine '{engine}' retrieves nothing: name a checkpoint that "
        f"{' or '.join(RETRIEVERS)} learned."
    )


def _find(engine: Retrieves, query: str, emit: Emit | None, *, several: bool) -> bool:
    """Print what is found; false where nothing can be looked for, which is told on stderr."""
    if several and not emit:
        click.echo(f"> {_shortened(query)}")
    try:
        retrieval = engine.retrieve(query)
    except EngineError as error:
        click.echo(f"{_shortened(query)}: {one_line(str(error))}", err=True)
        if emit:
            emit({"query": query, "error": str(error)})
        return False
    if emit:
        emit(dataclasses.asdict(retrieval))
    else:
        _print(retrieval, several=several)
    return True


def _print(retrieval: Retrieval, *, several: bool) -> None:
    for rank, passage in enumerate(retrieval.passages, start=1):
        click.echo(f"{rank:>3}  {passage.score:6.3f}  {_place(passage)}")
        click.echo(f"             {_shortened(passage.text)}")
    if retrieval.note:
        click.echo(one_line(retrieval.note))
    if several:
        click.echo()


def _place(passage: Passage) -> str:
    where = f"passage {passage.number}, characters {passage.start:,}–{passage.end:,}"
    return f"{one_line(passage.title)} ({passage.document_id}), {where}"


def _shortened(text: str) -> str:
    shown = one_line(" ".join(text.split()))
    return shown if len(shown) <= _EXCERPT else f"{shown[: _EXCERPT - 1]}…"
