"""``cl-workbench ask``: questions to what was learned, or to the unchanged base model."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cl_workbench import assembly
from cl_workbench.commands.answering import Answerer, Asking, Condition
from cl_workbench.commands.conditions import ALPHAS, STRENGTHS, conditions
from cl_workbench.commands.console import json_output, progress_display
from cl_workbench.commands.options import CHECKPOINT, PLAYBOOK, Workspace, shared_options
from cl_workbench.commands.questions import asked_questions
from cl_workbench.commands.session import (
    engine_of,
    kept_playbook,
    open_engine,
    open_host,
    require_checkpoint,
)
from cl_workbench.commands.shortcuts import engine_option

if TYPE_CHECKING:
    from cl_workbench.settings import Settings
    from engines.host import ModelHost
    from engines.language_models.served import ServedHost
    from engines.protocol import Engine

BASE = "base"


@click.command()
@click.argument("questions", nargs=-1, metavar="QUESTION...")
@click.option(
    "--questions",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ask what FILE holds: .txt with one question a line, or .jsonl with a question field.",
)
@engine_option
@click.option("--load", type=CHECKPOINT, help="Answer from a saved checkpoint.")
@click.option(
    "--playbook",
    type=PLAYBOOK,
    help="Answer with this playbook of ace in view, in the place of the checkpoint's own.",
)
@click.option(
    "--alpha",
    type=ALPHAS,
    default=(),
    help="Share of the original model in the blend: 1 is the base, 0 only what was learned. "
    "Several, as in 0.9,0.7,0.5, answer once for each.",
)
@click.option(
    "--strength",
    type=STRENGTHS,
    default=(),
    help="How strongly the jitrl engines move the logits, in nats, or how strongly the LoRAs of "
    "doc2lora count: 0 is off. Several, as in 0,4,8, answer once for each.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="DOCUMENT",
    help="Leave out a learned document, named by id, the beginning of one, or title; "
    "may be given several times.",
)
@click.option(
    "--knock-out", is_flag=True, help="Answer with all documents, then without each in turn."
)
@click.option("--base", is_flag=True, help="Let the unchanged base model answer.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print a line of JSON for each question: an object, or a list of them where "
    "several answers are compared.",
)
@shared_options
@click.pass_obj
def ask(
    workspace: Workspace,
    *,
    questions: tuple[str, ...],
    file: Path | None,
    engine: str | None,
    load: str | None,
    playbook: str | None,
    alpha: tuple[float, ...],
    strength: tuple[float, ...],
    without: tuple[str, ...],
    knock_out: bool,
    base: bool,
    as_json: bool,
) -> int:
    """Ask one or more questions and stream the answers; quote each question."""
    _check_base(base, alpha, strength, leaves_out=bool(without) or knock_out)
    if base and playbook is not None:
        raise click.UsageError("--base is the model with no playbook in view: leave out one.")
    workspace.start_log()
    settings = workspace.settings
    asked = asked_questions(questions, file, settings)
    if not base:
        require_checkpoint(workspace, load)
    name = engine_of(workspace, None if base else load, engine, playbook)
    history = kept_playbook(workspace, playbook, name)
    with json_output() if as_json else nullcontext() as emit:
        with progress_display() as display:
            host = open_host(workspace, display, name)
            if base:
                answerer, compared = _base(host, settings), [Condition()]
            else:
                learned = open_engine(workspace, name, host, load, history)
                answerer = _learned(learned, host, settings)
                compared = conditions(
                    learned, without, knock_out=knock_out, alphas=alpha, strengths=strength
                )
        return int(not Asking(answerer, compared, settings, emit).ask_all(asked))


def _check_base(
    base: bool, alpha: tuple[float, ...], strength: tuple[float, ...], *, leaves_out: bool
) -> None:
    if base and alpha:
        raise click.UsageError("--base is the model without any blend: leave out --alpha.")
    if base and strength:
        raise click.UsageError("--base is the model that nothing steers: leave out --strength.")
    if base and leaves_out:
        raise click.UsageError(
            "--base is the model without any document: leave out --without and --knock-out."
        )


def _base(host: ModelHost | ServedHost, settings: Settings) -> Answerer:
    how = assembly.sampling(settings)
    return Answerer(BASE, host.name, lambda turns: host.reply(turns, how))


def _learned(engine: Engine, host: ModelHost | ServedHost, settings: Settings) -> Answerer:
    how = assembly.sampling(settings)
    return Answerer(engine.name, host.name, lambda turns: engine.reply(turns, how))
