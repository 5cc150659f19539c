"""The command line: its group, and what becomes of errors and signals.

Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click

from cl_workbench.assembly import engine_names
from cl_workbench.commands.ask import ask
from cl_workbench.commands.checkpoints import checkpoints
from cl_workbench.commands.config import config
from cl_workbench.commands.history import history
from cl_workbench.commands.learn import learn
from cl_workbench.commands.ledger import ledger
from cl_workbench.commands.models import models
from cl_workbench.commands.options import PROGRAM, Workspace, shared_options
from cl_workbench.commands.overlap import overlap
from cl_workbench.commands.playbook import playbook
from cl_workbench.commands.rate import rate
from cl_workbench.commands.recall import recall
from cl_workbench.commands.retrieve import retrieve
from cl_workbench.commands.run import run_workbench
from cl_workbench.commands.servers import servers
from cl_workbench.commands.study import study
from cl_workbench.commands.train import train_hypernetwork
from cl_workbench.commands.validate import validate
from cl_workbench.logs import start_logging, stop_logging, without_secrets
from cl_workbench.settings import SettingsError
from cl_workbench.terminal_text import printable
from cl_workbench.version import __version__
from engines.protocol import EngineError

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

_EPILOG = f"""\b
Without a command the workbench opens on this terminal.
Shell completion: eval "$(_CL_WORKBENCH_COMPLETE=bash_source {PROGRAM})"
in ~/.bashrc; zsh_source and fish_source likewise.
Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted."""


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
    epilog=_EPILOG,
)
@click.option(
    "--fresh",
    is_flag=True,
    help="Begin with nothing learned; the last session becomes a checkpoint.",
)
@click.option(
    "--engine",
    type=click.Choice(engine_names()),
    help=f"The engine of the workbench; {engine_names()[0]} by default. Each has its last session.",
)
@shared_options
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context, fresh: bool, engine: str | None) -> int | None:
    """Let a small language model learn your document now, and see what it cost."""
    if context.invoked_subcommand is not None:
        if fresh:
            raise click.UsageError("--fresh is for the workbench: use it without a command.")
        if engine is not None:
            raise click.UsageError(
                f"--engine before {context.invoked_subcommand} is for the workbench: "
                "a command takes its own --engine after its name."
            )
        return None
    return run_workbench(context.ensure_object(Workspace), engine=engine, fresh=fresh)


for _command in (
    learn, study, overlap, ask, rate, retrieve, ledger, recall, playbook, checkpoints, history,
    models, servers, config, validate, train_hypernetwork,
):  # fmt: skip
    cli.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Run the program with ``arguments`` and return its exit code; nothing is raised."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    workspace = Workspace()
    try:
        code = cli.main(list(arguments), prog_name=PROGRAM, standalone_mode=False, obj=workspace)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        return _reader_gone()
    except EngineError as error:
        say(str(error))
        return WRONG_USE if isinstance(error, SettingsError) and error.wrong_use else FAILED
    except Exception:
        return _unexpected(workspace)
    finally:
        stop_logging()
        signal.signal(signal.SIGTERM, before)
    return code if isinstance(code, int) else DONE


def say(text: str) -> None:
    """Print each line of ``text`` on stderr after the program's name."""
    for line in printable(without_secrets(text)).splitlines():
        click.echo(f"{PROGRAM}: {line}", err=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _reader_gone() -> int:
    # The interpreter flushes stdout once more as it ends; that has to go somewhere.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return FAILED


def _unexpected(workspace: Workspace) -> int:
    """Put the traceback of the current exception into the log, and say where that is."""
    kind = sys.exc_info()[0]
    name = kind.__name__ if kind else "error"
    try:
        log_file = workspace.home.log_file
        start_logging(log_file, "info")
    except EngineError:
        click.echo(printable(without_secrets(_traceback())), err=True)
        say(f"Something failed unexpectedly ({name}); please report the lines above.")
        return FAILED
    logging.getLogger(__name__).exception("unexpected failure")
    say(f"Something failed unexpectedly ({name}); the details are in {log_file}.")
    return FAILED


def _traceback() -> str:
    import traceback

    return traceback.format_exc()
