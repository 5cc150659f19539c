"""A short demonstration for where there is no terminal: learn, ask, forget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cl_workbench import assembly
from cl_workbench.commands.console import progress_display
from cl_workbench.commands.figures import learning_detail
from cl_workbench.commands.options import Workspace
from cl_workbench.commands.outcome import summary_line
from cl_workbench.commands.session import open_engine, open_host
from cl_workbench.terminal_text import one_line, printable
from engines.documents import read_file, samples
from engines.protocol import Document, Engine, EngineError, LearnReport, Progress, Sampling
from engines.samples import sample_questions

if TYPE_CHECKING:
    from cl_workbench.commands.console import ProgressDisplay
    from engines.host import ModelHost

ANSWER_TOKENS = 12


def demonstrate(workspace: Workspace) -> int:
    """Learn a sample document, ask about it before and after, forget it, and tell.

    Returns:
        The exit code.
    """
    path = min(samples(), key=lambda path: path.stat().st_size)
    document = read_file(path, assembly.read_options(workspace.settings))
    asked = next(q for q in sample_questions() if q.document == path.name)
    with progress_display() as display:
        host = open_host(workspace, display)
        engine = open_engine(workspace, "ttt", host, None)
        before = _continuation(host, engine, asked.cloze)
        report = _learn(engine, document, display)
        after = _continuation(host, engine, asked.cloze)
        engine.forget(report.id)
        forgotten = _continuation(host, engine, asked.cloze)
    click.echo(one_line(f"The model is {host.name}: {host.why}."))
    click.echo(f"It learned {summary_line(report)}.")
    click.echo(f"Asked to go on with: {asked.cloze} ...")
    click.echo(f"  the document:       {asked.answers[0]}")
    click.echo(f"  before learning:    {before}")
    click.echo(f"  after learning:     {after}")
    click.echo(f"  after forgetting:   {forgotten}")
    click.echo("The same with a text of yours: cl-workbench learn PATH --save NAME")
    return 0


def _learn(engine: Engine, document: Document, display: ProgressDisplay) -> LearnReport:
    report: LearnReport | None = None
    for event in engine.learn(document):
        if isinstance(event, Progress):
            display.show(
                f"{document.title[:32]}: {event.stage}", event.fraction, learning_detail(event)
            )
        else:
            report = event
    if report is None:
        raise EngineError(f"The engine gave no report on {document.title}.")
    return report


def _continuation(host: ModelHost, engine: Engine, text: str) -> str:
    how = Sampling(max_new_tokens=ANSWER_TOKENS)
    pieces = host.generate(host.encode(text), how, around=engine.active)
    return printable(" ".join("".join(piece.text for piece in pieces).split()))
