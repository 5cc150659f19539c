"""``cl-workbench rate``: verdicts on answers, kept in the checkpoint that gave them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict

import click

from cl_workbench import assembly
from cl_workbench.commands.console import json_line, json_output, progress_display
from cl_workbench.commands.options import CHECKPOINT, PLAYBOOK, Workspace, shared_options
from cl_workbench.commands.questions import asked_questions
from cl_workbench.commands.rating import (
    Verdict,
    keep_checkpoint,
    open_rated,
    rate_answer,
    source_of,
)
from cl_workbench.commands.session import (
    check_free,
    engine_of,
    require_ace,
    require_checkpoint,
)
from cl_workbench.commands.shortcuts import engine_of_saved_option
from cl_workbench.commands.table import Column, aligned, time_text
from cl_workbench.commands.verdicts import verdicts_of
from cl_workbench.terminal_text import one_line
from engines.abilities import Feedback, Rating
from engines.protocol import EngineError

_load = click.option(
    "--load", type=CHECKPOINT, required=True, help="The checkpoint that answers and is rated."
)
_load_or_playbook = click.option(
    "--load", type=CHECKPOINT, help="The checkpoint that answers and is rated."
)
_playbook = click.option(
    "--playbook",
    type=PLAYBOOK,
    help="Let ace answer with this playbook, and change that instead of the checkpoint.",
)
_correction = click.option(
    "--correction", metavar="TEXT", help="What the answer should have said; for ace."
)
_save = click.option(
    "--save", type=CHECKPOINT, help="Save under another name and leave the loaded one as it is."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


@click.group()
@shared_options
def rate() -> None:
    """Say whether an answer was good, so that the next one changes.

    With jitrl-full a verdict raises or lowers what the answer's tokens rested on, and is kept in
    the checkpoint. With ace it is reviewed, and the playbook is patched; `playbook log` shows how,
    and `playbook undo` takes it back.
    """


def _add(rating: Rating, meaning: str) -> None:
    @rate.command(name=rating, help=meaning)
    @click.argument("question")
    @_load_or_playbook
    @_playbook
    @_correction
    @_save
    @engine_of_saved_option
    @_json
    @shared_options
    @click.pass_obj
    def command(
        workspace: Workspace,
        *,
        question: str,
        load: str | None,
        playbook: str | None,
        correction: str | None,
        save: str | None,
        engine: str | None,
        as_json: bool,
    ) -> None:
        workspace.start_log()
        (asked,) = asked_questions((question,), None, workspace.settings)
        source = source_of(workspace, load, playbook, engine)
        if load is not None:
            check_free(workspace, load, save)
        elif save is not None:
            raise click.UsageError("--save names a checkpoint: name one to change with --load.")
        if correction is not None:
            if not correction.strip():
                raise click.UsageError("The correction is empty: write what should have been said.")
            require_ace("--correction", source.engine)
        verdict = Verdict(rating, asked, correction or "")
        with json_output() if as_json else nullcontext() as emit:
            rate_answer(workspace, verdict, source, save or load, emit)


_add("up", "Ask QUESTION, say that its answer is good, learn from that, and ask again.")
_add("down", "Ask QUESTION, say that its answer is not good, learn from that, and ask again.")


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
            source = source_of(workspace, load, None, engine)
            _refuse_playbook_verdicts(source.engine)
            opened = open_rated(workspace, source, display)
            undone = opened.undo_rating()
            keep_checkpoint(workspace, opened, save or load, display)
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
    _refuse_playbook_verdicts(engine_of(workspace, load, None))
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


def _refuse_playbook_verdicts(engine: str) -> None:
    if engine == assembly.ACE:
        raise EngineError(
            "A verdict on an answer of ace is a change of its playbook: rate with --playbook, and "
            "see it with `cl-workbench playbook log NAME` or take it back with `playbook undo`."
        )
