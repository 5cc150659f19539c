"""``cl-workbench validate``: strategies run end to end on the loaded model, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

import click

from cl_workbench import assembly
from cl_workbench.commands.console import json_output, progress_display
from cl_workbench.commands.options import Workspace, shared_options
from cl_workbench.commands.reading import read_documents, tell_failure
from cl_workbench.commands.session import open_host
from cl_workbench.commands.table import figure
from cl_workbench.commands.watching import watched
from cl_workbench.terminal_text import one_line
from engines.abilities import Retrieves
from engines.documents import UnreadableDocument, read_file, samples
from engines.protocol import Document, Engine, EngineError, Piece, Turn
from engines.samples import sample_questions

if TYPE_CHECKING:
    from cl_workbench.commands.console import ProgressDisplay

FAMILIES = {"jitrl": ("jitrl-mvp", "jitrl-full")}
BASE = "base"

Reply = Callable[[Sequence[Turn]], Iterator[Piece]]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, what counts as its answer, and the id of the document that holds it."""

    text: str
    answers: tuple[str, ...]
    document_id: str


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer; ``found`` tells whether a retrieved passage holds the right one."""

    question: str
    answer: str
    right: bool
    found: bool | None
    seconds: float


@dataclass(slots=True)
class Run:
    """What one engine took and gave; the base model learns and retrieves nothing."""

    engine: str
    learn_seconds: float | None = None
    answers: list[Answered] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """Everything, with shares (0..1) over the questions."""
        return {
            "engine": self.engine,
            "learn_seconds": self.learn_seconds,
            "answer_seconds": fmean(one.seconds for one in self.answers),
            "retrieval_recall": self.recall,
            "right": fmean(one.right for one in self.answers),
            "answers": [asdict(one) for one in self.answers],
        }

    @property
    def recall(self) -> float | None:
        """Share of the questions for which a retrieved passage holds the answer."""
        found = [one.found for one in self.answers if one.found is not None]
        return fmean(found) if found else None


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
    documents, questions = _material(workspace, paths)
    asked = _spread(questions, count)
    with json_output() if as_json else nullcontext() as emit:
        with progress_display() as display:
            host = open_host(workspace, display)
            how = assembly.sampling(workspace.settings)
            runs = [_base(workspace, lambda turns: host.reply(turns, how), asked, display)]
            for name in FAMILIES[family]:
                if name in assembly.engine_names():
                    engine = assembly.build_engine(name, host, workspace.settings)
                    runs.append(_run(workspace, engine, documents, asked, display))
        if emit:
            emit({"model": host.name, "runs": [run.record() for run in runs]})
    if not as_json:
        _print(runs, len(documents))
    return 0


def _material(workspace: Workspace, paths: Sequence[str]) -> tuple[list[Document], list[Question]]:
    if not paths:
        documents = [read_file(path) for path in samples()]
        ids = {path.name: one.id for path, one in zip(samples(), documents, strict=True)}
        return documents, [
            Question(q.question, q.answers, ids[q.document]) for q in sample_questions()
        ]
    documents = []
    for found in read_documents(workspace, paths):
        if isinstance(found, UnreadableDocument):
            tell_failure(found)
        else:
            documents.append(found)
    asked = [Question(q, a, one.id) for one in documents for q, a in one.questions]
    if not asked:
        raise EngineError(
            "These documents bring no questions: name a .jsonl file with the fields text, "
            "question and answer, or no path for the samples."
        )
    return documents, asked


def _spread(questions: Sequence[Question], count: int) -> list[Question]:
    step = max(1.0, len(questions) / count)
    return [questions[int(i * step)] for i in range(min(count, len(questions)))]


def _base(
    workspace: Workspace, reply: Reply, asked: Sequence[Question], display: ProgressDisplay
) -> Run:
    run = Run(BASE)
    run.answers += _answers(workspace, BASE, reply, asked, display)
    return run


def _run(
    workspace: Workspace,
    engine: Engine,
    documents: Sequence[Document],
    asked: Sequence[Question],
    display: ProgressDisplay,
) -> Run:
    began = time.perf_counter()
    for document in documents:
        watched(engine.learn(document), display, f"{engine.name} {one_line(document.title)[:24]}")
    run = Run(engine.name, time.perf_counter() - began)
    how = assembly.sampling(workspace.settings)
    reply: Reply = lambda turns: engine.reply(turns, how)  # noqa: E731
    run.answers += _answers(workspace, engine.name, reply, asked, display, engine)
    return run


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
        began = time.perf_counter()
        turns = assembly.conversation(question.text, workspace.settings)
        text = "".join(piece.text for piece in reply(turns)).strip()
        seconds = time.perf_counter() - began
        yield Answered(
            question.text, text, _holds(text, question), _found(engine, question), seconds
        )


def _found(engine: object, question: Question) -> bool | None:
    if not isinstance(engine, Retrieves):
        return None
    passages = engine.retrieve(question.text).passages
    own = [passage.text for passage in passages if passage.document_id == question.document_id]
    return any(_holds(text, question) for text in own)


def _holds(text: str, question: Question) -> bool:
    return any(answer.casefold() in text.casefold() for answer in question.answers)


def _print(runs: Iterable[Run], documents: int) -> None:
    runs = list(runs)
    for number, first in enumerate(runs[0].answers):
        click.echo(f"> {one_line(first.question)}")
        for run in runs:
            mark = "right" if run.answers[number].right else "wrong"
            click.echo(f"  {run.engine:<10} {mark}  {one_line(run.answers[number].answer)}")
    click.echo()
    for run in runs:
        record = run.record()
        learned = "" if run.learn_seconds is None else (
            f"learned {documents} documents in {run.learn_seconds:.1f} s, "
        )  # fmt: skip
        recall = "" if run.recall is None else f", answer in a passage {figure(run.recall)}"
        click.echo(
            f"{run.engine}: {learned}{figure(record['answer_seconds'])} s an answer{recall}, "
            f"right {figure(record['right'])} of {len(run.answers)}"
        )
