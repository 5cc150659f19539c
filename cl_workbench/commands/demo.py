"""A short demonstration for where there is no terminal: learn, ask, forget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from cl_workbench import assembly
from cl_workbench.commands.console import progress_display
from cl_workbench.commands.figures import relative_change, signed_percent
from cl_workbench.commands.options import Workspace
from cl_workbench.commands.table import figure
from cl_workbench.commands.watching import watched
from cl_workbench.settings import Settings
from cl_workbench.terminal_text import one_line, printable
from engines.abilities import MeasuresRecall
from engines.documents import read_file, samples
from engines.protocol import Document, Engine, LearnReport, Sampling
from engines.samples import SampleQuestion, sample_questions

if TYPE_CHECKING:
    from cl_workbench.commands.console import ProgressDisplay
    from engines.host import ModelHost

SAMPLE = "harbour.md"
PARAGRAPH = "At the end of the western mole"
ANSWER_TOKENS = 12
WHEN = ("before learning", "after learning", "after forgetting")

# The defaults are for whole documents, and begin with general questions asked once per model.
# A demonstration is short: these learn one paragraph until it is all but known by heart.
QUICK = (
    "ttt.objective=next_token",
    "ttt.learning_rate=0.001",
    "ttt.mini_batch_size=32",
    "ttt.gradient_steps=8",
    "ttt.target_loss=0.15",
    "ttt.retention=0",
    "tfidf_gate.calibration_samples=24",
    "held_out.budget_percent=null",
    "guard.forgetting_budget=null",
    "guard.every_batches=16",
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """How the model went on with each sentence at one moment."""

    continuations: tuple[str, ...]

    def recalled(self, questions: Sequence[SampleQuestion]) -> int:
        pairs = zip(self.continuations, questions, strict=True)
        return sum(said.casefold().startswith(q.answers[0].casefold()) for said, q in pairs)


def demonstrate(workspace: Workspace) -> int:
    """Learn a paragraph, ask about it before and after, forget it, and tell.

    Returns:
        The exit code.
    """
    settings = Settings.load(
        workspace.home, profile=workspace.profile, assignments=[*QUICK, *workspace.assignments]
    )
    document = _paragraph(settings)
    questions = [q for q in sample_questions() if f"{q.cloze} {q.answers[0]}" in document.text]
    with progress_display() as display:
        display.show("starting", None)
        host = assembly.build_host(settings, display.show)
        engine = assembly.build_engine("ttt", host, settings)
        before = _ask(host, engine, questions, display)
        report = _learn(engine, document, display)
        after = _ask(host, engine, questions, display)
        engine.forget(report.id)
        forgotten = _ask(host, engine, questions, display)
        loss = _loss_now(engine, document, display)
    click.echo(one_line(f"The model is {host.name}: {host.why}."))
    _tell_learned(report, loss)
    _tell_answers(questions, (before, after, forgotten))
    click.echo("The same with a text of yours: cl-workbench learn PATH --save NAME")
    return 0


def _paragraph(settings: Settings) -> Document:
    path = next(path for path in samples() if path.name == SAMPLE)
    whole = read_file(path, assembly.read_options(settings))
    paragraphs = whole.text.split("\n\n")
    text = next(paragraph for paragraph in paragraphs if paragraph.startswith(PARAGRAPH))
    return Document.from_text(text, f"A paragraph of {whole.title}")


def _learn(engine: Engine, document: Document, display: ProgressDisplay) -> LearnReport:
    return watched(engine.learn(document), display, document.title)


def _loss_now(engine: Engine, document: Document, display: ProgressDisplay) -> float | None:
    if not isinstance(engine, MeasuresRecall):
        return None
    return watched(engine.recall(document), display, document.title).loss


def _ask(
    host: ModelHost,
    engine: Engine,
    questions: Sequence[SampleQuestion],
    display: ProgressDisplay,
) -> _Asked:
    continuations = []
    for number, question in enumerate(questions):
        display.show("asking", number / len(questions))
        continuations.append(_continuation(host, engine, question.cloze))
    return _Asked(tuple(continuations))


def _continuation(host: ModelHost, engine: Engine, text: str) -> str:
    how = Sampling(max_new_tokens=ANSWER_TOKENS)
    pieces = host.generate(host.encode(text), how, around=engine.active)
    return printable(" ".join("".join(piece.text for piece in pieces).split()))


def _tell_learned(report: LearnReport, loss_now: float | None) -> None:
    click.echo(
        f"It learned {one_line(report.title)}, {report.tokens_read} tokens, in "
        f"{report.seconds:.0f} s, with quick settings."
    )
    losses = f"{figure(report.loss_before)} before, {figure(report.loss_after)} after"
    forgotten = "" if loss_now is None else f", {loss_now:.2f} after forgetting"
    click.echo(f"Loss of the paragraph, in nats per token: {losses}{forgotten}.")
    rise = relative_change(report.held_out_loss_before, report.held_out_loss_after)
    if rise is not None:
        click.echo(f"Loss of general text, which is the price: {signed_percent(rise)}.")


def _tell_answers(questions: Sequence[SampleQuestion], asked: Sequence[_Asked]) -> None:
    click.echo("Given the beginning of some of its sentences, the model goes on:")
    for number, question in enumerate(questions):
        click.echo(f"- {question.cloze} ...")
        click.echo(f"  {'in the document:':18}{question.answers[0]}")
        for when, answers in zip(WHEN, asked, strict=True):
            click.echo(f"  {f'{when}:':18}{answers.continuations[number]}")
    counts = [
        f"{answers.recalled(questions)} of {len(questions)} {when}"
        for when, answers in zip(WHEN, asked, strict=True)
    ]
    click.echo(f"Recalled word for word: {', '.join(counts)}.")
