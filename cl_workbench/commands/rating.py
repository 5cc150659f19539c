"""Answering, taking a person's verdict, and answering again."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol, cast

import click

from cl_workbench import assembly
from cl_workbench.commands.console import progress_display
from cl_workbench.commands.figures import learning_detail
from cl_workbench.commands.options import Workspace
from cl_workbench.commands.session import engine_of, kept_playbook, open_host, require_checkpoint
from cl_workbench.commands.verdicts import takes_no_feedback
from cl_workbench.home import made
from cl_workbench.terminal_text import printable
from engines.abilities import Feedback, Rating, TakesFeedback
from engines.decoding import counted
from engines.protocol import Engine, EngineError

if TYPE_CHECKING:
    from cl_workbench.commands.console import Emit, ProgressDisplay
    from engines.ace.engine import AceEngine
    from engines.ace.revisions import History

TAKERS = ("jitrl-full", "ace")
"""The engines that take feedback, so that others are refused before a model is loaded."""


class RatedEngine(Engine, TakesFeedback, Protocol):
    """What can be asked, rated and saved."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person says of the answer to ``question``."""

    rating: Rating
    question: str
    correction: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Who answers: an engine, from a checkpoint, from a playbook, or both."""

    engine: str
    load: str | None
    playbook: str | None = None
    history: History | None = None


def source_of(
    workspace: Workspace, load: str | None, playbook: str | None, engine: str | None
) -> Source:
    """Find out who answers, and read the playbook, before a model is loaded.

    Raises:
        UsageError: if neither is named, or another engine for a playbook.
        EngineError: if the checkpoint or playbook is not there, or its engine takes no feedback.
    """
    if load is None and playbook is None:
        raise click.UsageError("Missing option '--load' or '--playbook'.")
    require_checkpoint(workspace, load)
    name = engine_of(workspace, load, engine, playbook)
    if name not in TAKERS and (load is None or name == engine_of(workspace, load, None)):
        raise takes_no_feedback(name)
    return Source(name, load, playbook, kept_playbook(workspace, playbook, name))


def rate_answer(
    workspace: Workspace, verdict: Verdict, source: Source, saved: str | None, emit: Emit | None
) -> None:
    """Answer, rate, save at once, and answer again."""
    question = verdict.question
    with progress_display() as display:
        opened = open_rated(workspace, source, display)
        before = _answer(workspace, opened, question, display, "answering")
    if emit is None:
        click.echo(f"before: {_shown(before)}")  # shown also where it then can't be rated
    with progress_display() as display:
        feedback = _rated(opened, verdict, display)
        where = _kept(workspace, opened, source, saved, display)
    if emit is None:
        click.echo(_figures(opened, feedback, where))
    record = {
        "question": question,
        "engine": opened.name,
        "before": before,
        "feedback": asdict(feedback),
        "saved": where,
        "after": None,
    }
    if source.playbook is not None:
        record["playbook"] = source.playbook
    try:
        with progress_display() as display:
            record["after"] = _answer(workspace, opened, question, display, "answering again")
    except BaseException as error:
        record["error"] = _reason(error)
        raise
    finally:
        if emit is not None:  # the verdict is saved, whatever became of the second answer
            emit(record)
    if emit is None:
        click.echo(f"after:  {_shown(str(record['after']))}")


def _rated(engine: RatedEngine, verdict: Verdict, display: ProgressDisplay) -> Feedback:
    """Let the engine learn from ``verdict``; shown as it goes where it says how."""
    if engine.name != assembly.ACE:
        return engine.rate(verdict.rating)
    steps = cast("AceEngine", engine).rating(verdict.rating, verdict.correction)
    with closing(steps):
        while True:
            try:
                event = next(steps)
            except StopIteration as end:
                feedback: Feedback = end.value
                return feedback
            display.show(f"reviewing {event.stage}", None, learning_detail(event))


def _kept(
    workspace: Workspace,
    engine: RatedEngine,
    source: Source,
    saved: str | None,
    display: ProgressDisplay,
) -> str:
    """Save what changed: the playbook where one is named, else the checkpoint."""
    if source.playbook is None or saved not in {None, source.load}:
        keep_checkpoint(workspace, engine, str(saved), display)
    if source.playbook is None:
        return str(saved)
    from engines.ace import files

    files.save(made(workspace.home.playbooks), source.playbook, cast("AceEngine", engine).history)
    return source.playbook


def _reason(error: BaseException) -> str:
    if isinstance(error, EngineError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "Answering again was interrupted."
    return f"Answering again failed unexpectedly ({type(error).__name__}); see the log."


def open_rated(workspace: Workspace, source: Source, display: ProgressDisplay) -> RatedEngine:
    """The engine that answers.

    Raises:
        EngineError: if it takes no feedback, or the checkpoint can't be loaded.
    """
    host = open_host(workspace, display, source.engine)
    opened = assembly.build_engine(source.engine, host, workspace.settings)
    if not isinstance(opened, TakesFeedback):
        raise takes_no_feedback(source.engine)
    if source.load is not None:
        opened.load(workspace.home.checkpoint(source.load))
    if source.history is not None:
        cast("AceEngine", opened).history = source.history
    return cast(RatedEngine, opened)


def _answer(
    workspace: Workspace, engine: Engine, question: str, display: ProgressDisplay, stage: str
) -> str:
    display.show(stage, None)
    turns = assembly.conversation(question, workspace.settings)
    pieces = engine.reply(turns, assembly.sampling(workspace.settings))
    return "".join(piece.text for piece in pieces).strip()


def keep_checkpoint(
    workspace: Workspace, engine: Engine, name: str, display: ProgressDisplay
) -> None:
    """Save ``engine`` under ``name``, and show that."""
    display.show(f"saving {name}", None)
    engine.save(made(workspace.home.checkpoints) / name)


def _shown(answer: str) -> str:
    return printable(answer) or "(an empty answer)"


def _figures(engine: RatedEngine, feedback: Feedback, saved: str) -> str:
    if engine.name == assembly.ACE:
        return _playbook_figures(cast("AceEngine", engine), feedback, saved)
    tokens = counted(feedback.tokens, "token")
    entries = counted(feedback.entries, "stored token")
    return (
        f"Rated {feedback.rating}, verdict {feedback.number}: {tokens} of the answer rested on "
        f"what is stored, the returns of {entries} changed; saved as {saved}."
    )


def _playbook_figures(engine: AceEngine, feedback: Feedback, saved: str) -> str:
    changes = counted(feedback.entries, "operation")
    waiting = len(engine.pending)
    waits = f", {waiting} waiting" if waiting else ""
    bullets = counted(len(engine.playbook.bullets), "bullet")
    return (
        f"Rated {feedback.rating}: {changes} applied to the playbook{waits}, which has {bullets} "
        f"now; saved as {saved}."
    )
