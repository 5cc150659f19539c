"""``cl-workbench train-hypernetwork``: train one, go on with a run, or follow another's."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from cl_workbench import assembly
from cl_workbench.commands.console import Emit, json_output
from cl_workbench.commands.interrupts import Interrupts
from cl_workbench.commands.options import Workspace, shared_options
from cl_workbench.terminal_text import printable
from engines.protocol import EngineError

if TYPE_CHECKING:
    from collections.abc import Generator

    from engines.doc2lora.training.events import TrainingEvent
    from engines.doc2lora.training.settings import TrainingSettings

DONE, INTERRUPTED = 0, 130
_TEACHER_TOLD_EVERY = 50  # contexts
_FOLDER = click.Path(file_okay=False, path_type=Path)
_NOTICE = "Stopping with a checkpoint; Ctrl-C again stops at once."


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What the options ask for."""

    config: Path | None
    run: Path | None
    resume: bool
    changes: Mapping[str, Any]


@click.command("train-hypernetwork")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What to train on and how: a .yaml or .json file, such as one in configs/hypernetwork.",
)
@click.option("--run", type=_FOLDER, help="The folder of the run; by default the file's.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in its folder where it was; without --config as it was begun.",
)
@click.option("--data", type=_FOLDER, help="The folder that the data's paths start from.")
@click.option("--store", type=_FOLDER, help="The folder of the teacher's answers, kept for reuse.")
@click.option(
    "--change",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change a value of the file, as in optimiser.contexts=8; may be given several times.",
)
@click.option("--follow", type=_FOLDER, help="Train nothing; tell what the run in DIR tells.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each event.")
@shared_options
@click.pass_obj
def train_hypernetwork(
    workspace: Workspace,
    *,
    config: Path | None,
    run: Path | None,
    resume: bool,
    data: Path | None,
    store: Path | None,
    changes: tuple[str, ...],
    follow: Path | None,
    as_json: bool,
) -> int:
    """Train a hypernetwork, which writes LoRAs of documents for doc2lora.

    ctrl+c stops with a checkpoint. Several GPUs or machines: `accelerate launch -m cl_workbench
    train-hypernetwork …`.
    """
    given = {"data": data, "run_folder": run, "store": store}
    asked = Asked(
        config,
        run,
        resume,
        {k: str(v) for k, v in given.items() if v} | dict(map(_change, changes)),
    )
    _check_use(asked, follow)
    workspace.start_log()
    with json_output() if as_json else nullcontext() as emit:
        if follow is not None:
            return _follow(follow, emit)
        return _train(asked, emit)


def _check_use(asked: Asked, follow: Path | None) -> None:
    if follow is not None:
        if asked.config or asked.resume or asked.changes:
            raise click.UsageError("--follow trains nothing: give it alone, or leave it out.")
    elif asked.config is None and not (asked.resume and asked.run):
        raise click.UsageError(
            "Give --config FILE to train, --resume and --run DIR to go on, or --follow DIR."
        )


def _change(text: str) -> tuple[str, Any]:
    import yaml

    name, mark, value = text.partition("=")
    if not mark:
        raise click.UsageError(f"--change {text} has no '=': give it as NAME=VALUE.")
    try:
        return name.strip(), _number_or(yaml.safe_load(value))
    except yaml.YAMLError as error:
        raise click.UsageError(f"--change {name}: its value can't be read.") from error


def _number_or(value: Any) -> Any:
    """A text that is a number as that number: YAML takes 1e-4 for a text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _train(asked: Asked, emit: Emit | None) -> int:
    settings = _settings(asked)
    assembly.quiet_libraries()
    from engines.doc2lora.training.trainer import train

    with Interrupts(_NOTICE) as interrupts:
        events = train(settings, stop=lambda: interrupts.requested)
        with closing(cast("Generator[TrainingEvent, None, None]", events)):
            _tell_all(events, emit)
        return INTERRUPTED if interrupts.requested else DONE


def _settings(asked: Asked) -> TrainingSettings:
    """What to train with, once the run folder was looked at.

    Raises:
        EngineError: if the file is wrong, or the folder does not go with ``--resume``.
    """
    from engines.doc2lora.training.run_folder import RunFolder
    from engines.doc2lora.training.settings_file import load_settings

    if asked.config is None:
        settings = _begun(asked.run or Path(), asked.changes)
    else:
        settings = load_settings(asked.config, asked.changes)
    latest = RunFolder(Path(settings.run_folder)).latest
    if latest is not None and not asked.resume:
        raise EngineError(
            f"{settings.run_folder} has a run that was saved at {latest.name}: add --resume to go "
            "on with it, or give --run another folder."
        )
    if latest is None and asked.resume:
        raise EngineError(
            f"{settings.run_folder} has no checkpoint to go on from: leave out --resume to begin."
        )
    return settings


def _begun(folder: Path, changes: Mapping[str, Any]) -> TrainingSettings:
    """The settings that the run in ``folder`` was begun with, and ``changes``."""
    from engines.doc2lora.training.settings_file import settings_from

    try:
        values = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"There is no run in {folder}: begin one with --config FILE.") from error
    for name, value in changes.items():
        *parents, last = name.split(".")
        part = values
        for parent in parents:
            part = part.get(parent) if isinstance(part, dict) else None
        if not isinstance(part, dict):
            raise EngineError(f"{name} can't be changed: there is no {'.'.join(parents)}.")
        part[last] = value
    return settings_from(values)


def _follow(folder: Path, emit: Emit | None) -> int:
    from engines.doc2lora.training.following import follow

    _tell_all(follow(folder), emit)
    return DONE


def _tell_all(events: Iterator[TrainingEvent | None], emit: Emit | None) -> None:
    tell = _teller(emit)
    for event in events:
        if event is not None:
            tell(event)


def _teller(emit: Emit | None) -> Callable[[TrainingEvent], None]:
    """What prints an event; of several processes only the first one does."""
    from engines.doc2lora.training.events import TeacherProgress
    from engines.doc2lora.training.lines import line_of

    first = os.environ.get("RANK", "0") == "0"

    def tell(event: TrainingEvent) -> None:
        if not first:
            return
        if isinstance(event, TeacherProgress) and not _is_told(event.done, event.of):
            return
        if emit:
            emit({"event": _name(event)} | dataclasses.asdict(event))
        else:
            click.echo(printable(line_of(event)))

    return tell


def _is_told(done: int, of: int) -> bool:
    return done % _TEACHER_TOLD_EVERY == 0 or done == of


def _name(event: TrainingEvent) -> str:
    from engines.doc2lora.training import events

    names: Mapping[type, str] = {
        events.Prepared: "prepared",
        events.TeacherProgress: "teacher",
        events.StepDone: "step",
        events.Evaluated: "evaluation",
        events.Sample: "sample",
        events.Skipped: "skipped",
        events.Saved: "saved",
        events.Finished: "finished",
    }
    return names[type(event)]
