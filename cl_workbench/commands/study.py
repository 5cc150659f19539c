"""``cl-workbench study``: what a document would be studied by, to read and to edit."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cl_workbench.commands.console import json_output, progress_display
from cl_workbench.commands.new_file import check_new, write_new
from cl_workbench.commands.options import PROGRAM, Workspace, shared_options
from cl_workbench.commands.reading import read_one_document
from cl_workbench.commands.session import engine_of, open_engine, open_host
from cl_workbench.commands.shortcuts import engine_option, objective_option
from cl_workbench.commands.watching import watched
from cl_workbench.terminal_text import one_line
from engines.abilities import Studies
from engines.decoding import counted
from engines.protocol import Document, EngineError, StudyItem, StudyPlan


@click.command()
@click.argument("path")
@engine_option
@objective_option
@click.option(
    "--write",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the items into FILE, to edit them and then learn with --items FILE.",
)
@click.option("--rejected", is_flag=True, help="Show what was written but not used, and why.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@shared_options
@click.pass_obj
def study(
    workspace: Workspace,
    *,
    path: str,
    engine: str | None,
    file: Path | None,
    rejected: bool,
    as_json: bool,
) -> int:
    """Prepare the questions or sentences to study PATH by, and learn nothing."""
    workspace.start_log()
    with json_output() if as_json else nullcontext() as emit:
        document = read_one_document(workspace, path)
        _check_place(file)
        plan = _plan(workspace, engine_of(workspace, None, engine), document)
        if file is not None:
            _write(file, plan)
        if emit:
            emit(_record(document, plan, file))
    if not as_json:
        _print_plan(document, plan, rejected=rejected)
        if file is not None:
            click.echo(_next_step(path, file))
    return 0


def _check_place(file: Path | None) -> None:
    """Refuse a place before minutes are spent; what a person edited is never overwritten."""
    if file is None:
        return
    check_new(file, ", and perhaps holds items that were edited")
    if not file.absolute().parent.is_dir():
        raise EngineError(f"There is no folder {file.parent}: make it, or choose another place.")


def _plan(workspace: Workspace, name: str, document: Document) -> StudyPlan:
    with progress_display() as display:
        engine = open_engine(workspace, name, open_host(workspace, display, name), None)
        if not isinstance(engine, Studies):
            raise EngineError(f"The engine '{name}' studies no items: choose another --engine.")
        return watched(engine.study(document), display, one_line(document.title)[:32])


def _write(file: Path, plan: StudyPlan) -> None:
    from engines.ttt.study.items import format_items

    if not plan.items:
        raise EngineError(f"There are no items to write: {one_line(plan.reason)}")
    write_new(file, format_items(plan.items))


def _record(document: Document, plan: StudyPlan, file: Path | None) -> dict[str, Any]:
    return {
        "id": document.id,
        "path": document.path,
        "title": document.title,
        "objective": plan.objective,
        "reason": plan.reason,
        "items": [asdict(item) for item in plan.items],
        "rejected": [{**asdict(item), "reason": reason} for item, reason in plan.rejected],
        "written": None if file is None else str(file),
    }


def _print_plan(document: Document, plan: StudyPlan, *, rejected: bool) -> None:
    click.echo(f"{one_line(document.title)} ({document.id}): {plan.objective}")
    click.echo(one_line(plan.reason))
    for number, item in enumerate(plan.items, start=1):
        _print_item(f"{number:>3}", item)
    if rejected:
        for item, reason in plan.rejected:
            _print_item("  -", item)
            click.echo(f"     rejected: {one_line(reason)}")
    kept = f"{counted(len(plan.items), 'item')}, {len(plan.rejected)} written but not used"
    click.echo(kept + ("." if rejected or not plan.rejected else " (--rejected shows them)."))


def _print_item(label: str, item: StudyItem) -> None:
    click.echo(f"{label}  [{item.kind}] {one_line(item.prompt)}")
    click.echo(f"     {one_line(item.answer)}")


def _next_step(path: str, file: Path) -> str:
    words = (PROGRAM, "learn", path, "--items", str(file))
    return f"Written. Edit the file, then learn with `{one_line(shlex.join(words))}`."
