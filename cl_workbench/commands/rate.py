"""``cl-workbench rate``: verdicts on answers, kept in the checkpoint that gave them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol, cast

import click

from cl_workbench import assembly
from cl_workbench.commands.console import json_line, json_output, progress_display
from cl_workbench.commands.options import CHECKPOINT, Workspace, shared_options
from cl_workbench.commands.questions import asked_questions
from cl_workbench.commands.session import check_free, engine_of, open_host, require_checkpoint
from cl_workbench.commands.shortcuts import engine_of_saved_option
from cl_workbench.commands.table import Column, aligned, time_text
from cl_workbench.commands.verdicts import takes_no_feedback, verdicts_of
from cl_workbench.home import made
from cl_workbench.terminal_text import one_line, printable
from engines.abilities import Feedback, Rating, TakesFeedback
from engines.decoding import counted
from engines.protocol import Engine, EngineError

if TYPE_CHECKING:
    from cl_workbench.commands.console import Emit, ProgressDisplay


TAKERS = ("jitrl-full", "ace")
"""The engines that take feedback, so that others are refused before a model is loaded."""


class RatedEngine(Engine, TakesFeedback, Protocol):
    """What can be asked, rated and saved."""


_load = click.option(
    "--load", type=CHECKPOINT, required=True, help="The checkpoint that answers and is rated."
)
_save = click.option(
    "--save", type=CHECKPOINT, help="Save under another name and leave the loaded one as it is."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


@click.group()
@shared_options
def rate() -> None:
    """Say whether an answer was good, so that the next one changes.

    A verdict raises or lowers what the answer's tokens rested on, and is kept in the
    checkpoint. Of the engines, jitrl-full and ace take verdicts.
    """


def _add(rating: Rating, meaning: str) -> None:
    @rate.command(name=rating, help=meaning)
    @click.argument("question")
    @_load
    @_save
    @engine_of_saved_option
    @_json
    @shared_options
    @click.pass_obj
    def command(
        workspace: Workspace,
        *,
        question: str,
        load: str,
        save: str | None,
        engine: str | None,
        as_json: bool,
    ) -> None:
        workspace.start_log()
        (asked,) = asked_questions((question,), None, workspace.settings)
        require_checkpoint(workspace, load)
        check_free(workspace, load, save)
        with json_output() if as_json else nullcontext() as emit:
            _rate(workspace, rating, asked, load, save or load, engine, emit)


_add("up", "Ask QUESTION, reward what its answer rests on, and ask again.")
_add("down", "Ask QUESTION, punish what its answer rests on, and ask again.")


@rate.command()
@_load
@_save
@engine_of_saved_option
@_json
@shared_options
@click.pass_obj
def undo(
    workspace: Workspace, *, load: str, save: str | None, engine: str | None, as_json: bool
) -> None:
    """Take the last verdict back: answers are then as if it had never been given."""
    workspace.start_log()
    require_checkpoint(workspace, load)
    check_free(workspace, load, save)
    with json_output() if as_json else nullcontext() as emit:
        with progress_display() as display:
            opened = _opened(workspace, engine, load, display)
            undone = opened.undo_rating()
            _keep(workspace, opened, save or load, display)
        if emit:
            left = len(opened.feedback)
            emit({"undone": asdict(undone), "left": left, "saved": save or load})
        else:
            click.echo(
                f"Took back verdict {undone.number} ({undone.rating}) on "
                f"'{one_line(undone.question)}', saved as {save or load}."
            )


@rate.command(name="list")
@_load
@_json
@shared_options
@click.pass_obj
def list_(workspace: Workspace, *, load: str, as_json: bool) -> None:
    """List the verdicts in force, the first one first."""
    require_checkpoint(workspace, load)
    found = verdicts_of(workspace.home.checkpoint(load))
    if as_json:
        click.echo(json_line({"name": load, "feedback": [asdict(one) for one in found]}))
    elif not found:
        click.echo(f"No verdict in {load} yet: `cl-workbench rate up QUESTION --load {load}`.")
    else:
        for line in aligned(_COLUMNS, [_row(one) for one in found]):
            click.echo(line)


_COLUMNS = (
    Column("NO", right=True),
    Column("RATING"),
    Column("RATED"),
    Column("TOKENS", right=True),
    Column("CHANGED", right=True),
    Column("QUESTION", most=36),
    Column("ANSWER", most=36),
)


def _row(one: Feedback) -> list[str]:
    return [
        str(one.number),
        one.rating,
        time_text(one.rated_at),
        f"{one.tokens:,}",
        f"{one.entries:,}",
        one.question,
        " ".join(one.answer.split()),
    ]


def _rate(
    workspace: Workspace,
    rating: Rating,
    question: str,
    load: str,
    saved: str,
    engine: str | None,
    emit: Emit | None,
) -> None:
    """Answer, rate, save at once, and answer again."""
    with progress_display() as display:
        opened = _opened(workspace, engine, load, display)
        before = _answer(workspace, opened, question, display, "answering")
    if emit is None:
        click.echo(f"before: {_shown(before)}")  # shown also where it then can't be rated
    with progress_display() as display:
        feedback = opened.rate(rating)
        _keep(workspace, opened, saved, display)
    if emit is None:
        click.echo(_figures(feedback, saved))
    record = {
        "question": question,
        "engine": opened.name,
        "before": before,
        "feedback": asdict(feedback),
        "saved": saved,
        "after": None,
    }
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


def _reason(error: BaseException) -> str:
    if isinstance(error, EngineError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "Answering again was interrupted."
    return f"Answering again failed unexpectedly ({type(error).__name__}); see the log."


def _opened(
    workspace: Workspace, engine: str | None, load: str, display: ProgressDisplay
) -> RatedEngine:
    """The saved engine.

    Raises:
        EngineError: if it takes no feedback, or the checkpoint can't be loaded.
    """
    name = engine_of(workspace, load, engine)
    if name not in TAKERS and name == engine_of(workspace, load, None):
        raise takes_no_feedback(name)
    host = open_host(workspace, display, name)
    opened = assembly.build_engine(name, host, workspace.settings)
    if not isinstance(opened, TakesFeedback):
        raise takes_no_feedback(name)
    opened.load(workspace.home.checkpoint(load))
    return cast(RatedEngine, opened)


def _answer(
    workspace: Workspace, engine: Engine, question: str, display: ProgressDisplay, stage: str
) -> str:
    display.show(stage, None)
    turns = assembly.conversation(question, workspace.settings)
    pieces = engine.reply(turns, assembly.sampling(workspace.settings))
    return "".join(piece.text for piece in pieces).strip()


def _keep(workspace: Workspace, engine: Engine, name: str, display: ProgressDisplay) -> None:
    display.show(f"saving {name}", None)
    engine.save(made(workspace.home.checkpoints) / name)


def _shown(answer: str) -> str:
    return printable(answer) or "(an empty answer)"


def _figures(feedback: Feedback, saved: str) -> str:
    tokens = counted(feedback.tokens, "token")
    entries = counted(feedback.entries, "stored token")
    return (
        f"Rated {feedback.rating}, verdict {feedback.number}: {tokens} of the answer rested on "
        f"what is stored, the returns of {entries} changed; saved as {saved}."
    )
