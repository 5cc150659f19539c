"""``cl-workbench learn``: documents, one after the other, into one engine."""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from cl_workbench import assembly
from cl_workbench.commands.console import json_output, progress_display
from cl_workbench.commands.interrupts import Interrupts
from cl_workbench.commands.lesson import Lesson
from cl_workbench.commands.lora_learning import LoraKeeper, check_mode_engine
from cl_workbench.commands.options import CHECKPOINT, PLAYBOOK, Workspace, shared_options
from cl_workbench.commands.outcome import Outcome, summarise
from cl_workbench.commands.playbook_learning import AceChoices, PlaybookKeeper
from cl_workbench.commands.preview import previewed, tell_preview
from cl_workbench.commands.reading import read_documents, tell_failure
from cl_workbench.commands.session import engine_of, open_engine, open_host, require_checkpoint
from cl_workbench.commands.shortcuts import (
    engine_option,
    given,
    guard_option,
    loops_option,
    mode_option,
    objective_option,
    review_option,
)
from cl_workbench.given_questions import Given, Questions, questions_of, with_questions
from cl_workbench.history import recorder
from cl_workbench.home import made
from cl_workbench.terminal_text import one_line
from engines.abilities import Studies
from engines.ace.questions import Pair
from engines.documents import UnreadableDocument
from engines.protocol import Document, Engine, EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engines.ace.engine import AceEngine
    from engines.ace.revisions import History

log = logging.getLogger(__name__)


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@engine_option
@objective_option
@guard_option
@click.option(
    "--qa",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Let ace learn the one document by the questions in FILE, a .jsonl with question and "
    "answer; without a PATH it practises on them alone.",
)
@loops_option
@review_option
@mode_option
@click.option(
    "--playbook",
    type=PLAYBOOK,
    help="Let ace go on from this playbook and save it after each document; made if missing.",
)
@click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what ace's roles were asked and said into FILE, a new one, .md or .json.",
)
@click.option(
    "--items",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Study the items in FILE, as `study --write` writes them; with one document only.",
)
@click.option("--save", type=CHECKPOINT, help="Save what was learned; replaces that checkpoint.")
@click.option("--load", type=CHECKPOINT, help="Go on from a saved checkpoint.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show what would be read, with --load also what it would disturb; learn nothing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@shared_options
@click.pass_context
def learn(
    context: click.Context,
    *,
    paths: tuple[str, ...],
    engine: str | None,
    qa: Path | None,
    playbook: str | None,
    trace: Path | None,
    items: Path | None,
    save: str | None,
    load: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Learn files and folders, or standard input where PATH is -."""
    if not paths and qa is None:
        raise click.UsageError("Missing argument 'PATH...'.")
    workspace = context.find_root().ensure_object(Workspace)
    workspace.start_log()
    started = time.perf_counter()
    with json_output() if as_json else nullcontext() as emit:
        require_checkpoint(workspace, load)
        outcome = Outcome(engine_of(workspace, load, engine, playbook))
        choices = AceChoices(qa, playbook, trace)
        choices.check(outcome.engine, given(context, "loops", "review"))
        check_mode_engine(outcome.engine, given(context, "mode"))
        if items is not None and workspace.settings.get("ttt.objective") == "next_token":
            raise click.UsageError("next_token learns the text alone: leave out --items.")
        options = assembly.read_options(workspace.settings)
        asked = Given() if qa is None else questions_of(qa, options)
        documents = _with_items(_read(workspace, paths, outcome), items)
        documents = _with_questions(documents, asked)
        practice = () if paths else asked.questions
        for note in asked.notes if practice else ():  # a document's report has them
            click.echo(one_line(note), err=True)
        if save is not None:
            made(workspace.home.checkpoints)
        if dry_run:
            found = previewed(workspace, documents, outcome, load)
            tell_preview(found, outcome, emit, len(practice))
            return outcome.exit_code
        if documents or not paths:
            _learn_all(workspace, documents, outcome, Task(choices, practice, save, load))
        outcome.seconds = time.perf_counter() - started
        if emit:
            emit(outcome.record())
    if not as_json:
        summarise(outcome)
    return outcome.exit_code


def _read(workspace: Workspace, paths: Sequence[str], outcome: Outcome) -> list[Document]:
    """Read all of ``paths``; what can't be read is noted as failed and said at once."""
    documents: list[Document] = []
    for found in read_documents(workspace, paths):
        if isinstance(found, UnreadableDocument):
            outcome.failed.append(found)
            tell_failure(found)
        else:
            documents.append(found)
    return documents


def _with_items(documents: list[Document], items: Path | None) -> list[Document]:
    if items is None:
        return documents
    if len(documents) > 1:
        raise click.UsageError(
            f"--items goes with one document, and {len(documents)} were read: name one PATH."
        )
    from engines.ttt.study.items import read_items

    study = tuple(read_items(items))
    return [replace(document, study=study) for document in documents]


def _with_questions(documents: list[Document], asked: Given) -> list[Document]:
    if asked.questions and len(documents) > 1:
        raise click.UsageError(
            f"--qa goes with one document, and {len(documents)} were read: name one PATH."
        )
    return [with_questions(document, asked) for document in documents]


@dataclass(frozen=True, slots=True)
class Task:
    """How to learn: ACE's choices, questions to practise on alone, and the checkpoints' names."""

    choices: AceChoices
    practice: Questions
    save: str | None
    load: str | None


def _learn_all(
    workspace: Workspace, documents: list[Document], outcome: Outcome, task: Task
) -> None:
    begun = task.choices.kept(workspace)
    with progress_display() as display:
        host = open_host(workspace, display, outcome.engine)
        outcome.model = host.name
        engine = open_engine(workspace, outcome.engine, host, task.load)
        _check_study(engine, documents)
        keeper = _keeper(workspace, engine, outcome, task.choices, begun)
        record = recorder(workspace.home.history, workspace.settings)
        with Interrupts("Stopping at the next batch; Ctrl-C again stops at once.") as interrupts:
            lesson = Lesson(engine, outcome, display, interrupts, record, keeper)
            try:
                _practise(engine, lesson, task)
                lesson.learn(documents)
            finally:
                if keeper is not None:
                    keeper.finish()
        if task.save is not None and (outcome.learned or outcome.practised):
            display.show(f"saving {task.save}", None)
            _save(engine, workspace.home.checkpoint(task.save), outcome)


def _keeper(
    workspace: Workspace,
    engine: Engine,
    outcome: Outcome,
    choices: AceChoices,
    begun: History | None,
) -> PlaybookKeeper | LoraKeeper | None:
    """What follows the learning of ACE or Doc-to-LoRA, and puts what it keeps into the outcome."""
    if outcome.engine == assembly.DOC2LORA:
        loras = LoraKeeper()
        outcome.loras = loras.loras
        return loras
    if outcome.engine != assembly.ACE:
        return None
    keeper = PlaybookKeeper.of(cast("AceEngine", engine), workspace, choices, begun)
    outcome.playbook = keeper.outcome
    return keeper


def _practise(engine: Engine, lesson: Lesson, task: Task) -> None:
    """Learn from the questions alone, if there are any for that."""
    file = task.choices.qa
    if not task.practice or file is None:
        return
    pairs = [Pair(question, answers) for question, answers in task.practice]
    title = one_line(file.name)
    events = cast("AceEngine", engine).practise(pairs, title)
    lesson.outcome.practised = lesson.practise(events, str(file), title)


def _check_study(engine: Engine, documents: Sequence[Document]) -> None:
    if any(document.study for document in documents) and not isinstance(engine, Studies):
        raise EngineError(f"The engine '{engine.name}' studies no items: leave out --items.")


def _save(engine: Engine, folder: Path, outcome: Outcome) -> None:
    """Save; a failure is noted, as what was learned until here still has to be told."""
    try:
        engine.save(folder)
    except EngineError as error:
        fault = str(error)
    except KeyboardInterrupt:
        outcome.interrupted = True
        fault = f"Saving as {folder.name} was interrupted."
    except Exception as error:
        log.exception("saving %s failed", folder)
        fault = f"Saving failed unexpectedly ({type(error).__name__}); see the log."
    else:
        outcome.saved = folder.name
        return
    outcome.save_error = fault
    click.echo(f"Not saved: {one_line(fault)}", err=True)
