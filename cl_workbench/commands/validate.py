"""``cl-workbench validate``: strategies run end to end on the loaded model, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

import click

from cl_workbench import assembly
from cl_workbench.commands.console import json_output, progress_display
from cl_workbench.commands.exam import Exam, Question, exam_on
from cl_workbench.commands.faults import reason_of
from cl_workbench.commands.lora_learning import tell_simulated
from cl_workbench.commands.options import Workspace, shared_options
from cl_workbench.commands.reading import path_of, tell_failure
from cl_workbench.commands.session import open_host
from cl_workbench.commands.table import Column, aligned, figure
from cl_workbench.commands.watching import watched
from cl_workbench.terminal_text import one_line
from engines.abilities import Retrieves
from engines.documents import UnreadableDocument
from engines.protocol import Document, Engine, EngineError, Piece, Turn

if TYPE_CHECKING:
    from cl_workbench.commands.console import ProgressDisplay

FAMILIES = {"jitrl": ("jitrl-mvp", "jitrl-full"), assembly.DOC2LORA: (assembly.DOC2LORA,)}
BASE = "base"

Reply = Callable[[Sequence[Turn]], Iterator[Piece]]


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer; ``found`` tells whether a retrieved passage of its document holds it.

    ``error`` says why there is no answer, or why no passage could be looked for.
    """

    question: str
    answer: str
    right: bool
    found: bool | None
    seconds: float
    error: str | None = None


@dataclass(slots=True)
class Run:
    """What one engine took and gave; the base model learns and retrieves nothing."""

    engine: str
    learned: int | None = None
    learn_seconds: float | None = None
    failed: list[UnreadableDocument] = field(default_factory=list)
    answers: list[Answered] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether all was learned and answered."""
        return not self.failed and all(one.error is None for one in self.answers)

    @property
    def found(self) -> list[bool]:
        """For each question whether a retrieved passage holds the answer; none for the base."""
        return [one.found for one in self.answers if one.found is not None]

    @property
    def right(self) -> list[bool]:
        """For each question whether its answer is right."""
        return [one.right for one in self.answers]

    @property
    def answer_seconds(self) -> float:
        """Mean wall time of an answer."""
        return fmean(one.seconds for one in self.answers)

    def record(self) -> dict[str, Any]:
        """Everything, with shares (0..1) over the questions."""
        return {
            "engine": self.engine,
            "learned": self.learned,
            "learn_seconds": self.learn_seconds,
            "answer_seconds": self.answer_seconds,
            "retrieval_recall": fmean(self.found) if self.found else None,
            "right": fmean(self.right),
            "asked": len(self.answers),
            "failed": [{"path": f.path, "reason": f.reason} for f in self.failed],
            "answers": [asdict(one) for one in self.answers],
        }


@click.command()
@click.argument("family", type=click.Choice(tuple(FAMILIES)))
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option(
    "--questions",
    "count",
    type=click.IntRange(1, 1000),
    default=6,
    show_default=True,
    help="Ask so many questions, spread over the documents.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@shared_options
@click.pass_obj
def validate(
    workspace: Workspace, *, family: str, paths: tuple[str, ...], count: int, as_json: bool
) -> int:
    """Let every engine of a FAMILY learn and answer, beside the unchanged base model.

    Without a PATH the sample documents are learned and asked about; a .jsonl PATH brings its
    own questions. An answer counts as right if it contains a right one.
    """
    workspace.start_log()
    exam = exam_on(workspace, paths, count)
    if not exam.documents:
        return 1
    with json_output() if as_json else nullcontext() as emit:
        with progress_display() as display:
            host = open_host(workspace, display, FAMILIES[family][0])
            how = assembly.sampling(workspace.settings)
            base = Run(BASE)
            base.answers += _answers(
                workspace, BASE, lambda turns: host.reply(turns, how), exam.questions, display
            )
            runs = [base]
            for name in FAMILIES[family]:
                engine = assembly.build_engine(name, host, workspace.settings)
                tell_simulated(engine)
                runs.append(_run(workspace, engine, exam, display))
        if emit:
            emit({"model": host.name, "runs": [run.record() for run in runs]})
    if not as_json:
        _print(runs, host.name)
    return int(bool(exam.unread) or not all(run.sound for run in runs))


def _run(workspace: Workspace, engine: Engine, exam: Exam, display: ProgressDisplay) -> Run:
    run = Run(engine.name)
    began = time.perf_counter()
    for document in exam.documents:
        _learn(engine, document, run, display)
    run.learn_seconds = time.perf_counter() - began
    run.learned = len(engine.documents)
    how = assembly.sampling(workspace.settings)
    run.answers += _answers(
        workspace,
        engine.name,
        lambda turns: engine.reply(turns, how),
        exam.questions,
        display,
        engine,
    )
    return run


def _learn(engine: Engine, document: Document, run: Run, display: ProgressDisplay) -> None:
    """Learn; a document that can't be is noted, and the others are learned all the same."""
    try:
        watched(engine.learn(document), display, f"{engine.name} {one_line(document.title)[:24]}")
    except Exception as error:
        failure = UnreadableDocument(path_of(document), reason_of(error, "learning"))
        run.failed.append(failure)
        tell_failure(failure)


def _answers(
    workspace: Workspace,
    name: str,
    reply: Reply,
    asked: Sequence[Question],
    display: ProgressDisplay,
    engine: Engine | None = None,
) -> Iterator[Answered]:
    for number, question in enumerate(asked):
        display.show(f"{name} answers {number + 1} of {len(asked)}", number / len(asked))
        turns = assembly.conversation(question.text, workspace.settings)
        text, found, fault = "", None, None
        began = time.perf_counter()
        try:
            text = "".join(piece.text for piece in reply(turns)).strip()
        except Exception as error:
            fault = reason_of(error, "answering")
        seconds = time.perf_counter() - began
        try:
            found = _found(engine, question)
        except Exception as error:
            found, fault = False, fault or reason_of(error, "retrieving")
        if fault is not None:
            click.echo(f"{name}, {one_line(question.text)[:80]}: {one_line(fault)}", err=True)
        yield Answered(question.text, text, question.answered_in(text), found, seconds, fault)


def _found(engine: object, question: Question) -> bool | None:
    if not isinstance(engine, Retrieves):
        return None
    try:
        passages = engine.retrieve(question.text).passages
    except EngineError:  # a question without a word finds nothing
        return False
    own = (passage.text for passage in passages if passage.document_id == question.document_id)
    return any(question.answered_in(text) for text in own)


_COLUMNS = (
    Column("ENGINE"),
    Column("LEARNED", right=True),
    Column("IN SECONDS", right=True),
    Column("SECONDS AN ANSWER", right=True),
    Column("ANSWER IN A PASSAGE", right=True),
    Column("RIGHT", right=True),
)


def _print(runs: Sequence[Run], model: str) -> None:
    for number, first in enumerate(runs[0].answers):
        click.echo(f"> {one_line(first.question)}")
        for run in runs:
            click.echo(f"  {run.engine:<10} {_marked(run.answers[number])}")
    click.echo()
    for line in aligned(_COLUMNS, [_row(run) for run in runs]):
        click.echo(line)
    click.echo(f"{BASE} is {one_line(model)}, unchanged: it has learned and looks up nothing.")


def _marked(one: Answered) -> str:
    if one.error is not None:
        return f"failed {one_line(one.error)}"
    mark = "right" if one.right else "wrong"
    return f"{mark}  {one_line(' '.join(one.answer.split()))}"


def _row(run: Run) -> list[str]:
    return [
        run.engine,
        figure(run.learned, ",d"),
        figure(run.learn_seconds, ".1f"),
        figure(run.answer_seconds, ".1f"),
        _share(run.found),
        _share(run.right),
    ]


def _share(outcomes: Sequence[bool]) -> str:
    if not outcomes:
        return "-"
    return f"{sum(outcomes)} of {len(outcomes)} ({fmean(outcomes):.0%})"
