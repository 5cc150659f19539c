"""A short demonstration for where there is no terminal: learn, ask, forget."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from cl_workbench import assembly
from cl_workbench.commands.console import learning_detail, progress_display
from cl_workbench.commands.learn import summary_line
from cl_workbench.commands.options import Workspace
from cl_workbench.commands.session import open_engine, open_host
from engines.documents import read_file, samples
from engines.protocol import Document, DocumentError, Engine, LearnReport, Progress, Sampling, Turn

if TYPE_CHECKING:
    from cl_workbench.commands.console import ProgressDisplay

ANSWER_TOKENS = 24
_MIN_WORDS = 10
_SHOWN_SHARE = 0.6


def demonstrate(workspace: Workspace) -> int:
    """Learn a sample document, ask about it before and after, forget it, and tell.

    Returns:
        The exit code.
    """
    document = _sample(workspace)
    question, missing = cloze(document.text)
    with progress_display() as display:
        host = open_host(workspace, display)
        click.echo(f"Model: {host.name} ({host.why}).")
        engine = open_engine(workspace, "ttt", host, None)
        before = _answer(engine, question)
        report = _learn(engine, document, display)
        after = _answer(engine, question)
        engine.forget(report.id)
        forgotten = _answer(engine, question)
    click.echo(f"Learned: {summary_line(report)}.")
    click.echo(f"Question: {question}")
    click.echo(f"The document goes on: {missing}")
    for label, answer in (("before", before), ("after", after), ("forgotten", forgotten)):
        click.echo(f"Answer {label}: {answer}")
    click.echo("The same with your own text: cl-workbench learn PATH --save NAME")
    return 0


def cloze(text: str) -> tuple[str, str]:
    """A request to go on with a sentence of ``text``, and the words that are missing.

    Chosen is the first sentence of ten words or more, whose ends are facts most often.
    """
    prose = " ".join(line for line in text.splitlines() if not line.startswith(("#", "|", "-")))
    sentences = re.split(r"(?<=[.!?])\s+", prose)
    sentence = next((s for s in sentences if len(s.split()) >= _MIN_WORDS), prose)
    words = sentence.split()
    shown = max(1, int(len(words) * _SHOWN_SHARE))
    return f"Complete the sentence: {' '.join(words[:shown])}", " ".join(words[shown:])


def _sample(workspace: Workspace) -> Document:
    paths = samples()
    if not paths:
        raise DocumentError("The sample documents are missing: install cl-workbench again.")
    shortest = min(paths, key=lambda path: path.stat().st_size)
    return read_file(shortest, assembly.read_options(workspace.settings))


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
        raise DocumentError(f"The engine gave no report on {document.title}.")
    return report


def _answer(engine: Engine, question: str) -> str:
    how = Sampling(max_new_tokens=ANSWER_TOKENS)
    text = "".join(piece.text for piece in engine.reply([Turn("user", question)], how))
    return " ".join(text.split())
