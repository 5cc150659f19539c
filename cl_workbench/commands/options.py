"""What all commands share: the global options, and the home and settings they lead to."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from cl_workbench.home import HOME_VARIABLE, Home
from cl_workbench.settings import Settings, profile_names
from cl_workbench.settings_schema import BY_KEY
from engines.atomic import checked_name
from engines.protocol import EngineError

PROGRAM = "cl-workbench"

F = TypeVar("F", bound=Callable[..., Any])


class Workspace:
    """What the global options ask for; home and settings are read when first needed."""

    def __init__(self) -> None:
        self.home_folder: str | None = None
        self.profile: str | None = None
        self.assignments: list[str] = []

    @functools.cached_property
    def home(self) -> Home:
        """The home that ``--home``, the environment or the installation names."""
        return Home.find(self.home_folder)

    @functools.cached_property
    def settings(self) -> Settings:
        """All layers of settings.

        Raises:
            SettingsError: with every problem found.
        """
        return Settings.load(self.home, profile=self.profile, assignments=self.assignments)

    def start_log(self) -> None:
        """Log from here on; where the log can't be written, say so and go on without."""
        from cl_workbench.logs import start_logging

        level = self.settings.get("log.level")
        try:
            start_logging(self.home.log_file, level)
        except EngineError as error:
            click.echo(f"{PROGRAM}: Nothing is logged: {error}", err=True)


class NameType(click.ParamType[str]):
    """A name that a person gives to something that is kept; wrong ones are wrong use."""

    name = "name"

    def __init__(self, what: str, existing: Callable[[Home], tuple[str, ...]]) -> None:
        self.what = what
        self._existing = existing

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name, checked."""
        try:
            return checked_name(str(value), self.what)
        except EngineError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names there are."""
        workspace = ctx.find_root().ensure_object(Workspace)
        return _starting_with(incomplete, self._existing(workspace.home))


class KeyType(click.ParamType[str]):
    """The key of a setting, completed by the shell; unknown ones are wrong use."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The key, if there is such a setting."""
        from cl_workbench.settings import known_setting

        try:
            return known_setting(str(value)).key
        except EngineError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The keys there are."""
        return _starting_with(incomplete, tuple(BY_KEY))


def checkpoint_names(home: Home) -> tuple[str, ...]:
    """The names of the saved states in ``home``."""
    return tuple(sorted(manifest.parent.name for manifest in home.checkpoints.glob("*/*.json")))


def playbook_names(home: Home) -> tuple[str, ...]:
    """The names of the playbooks in ``home``."""
    files = home.playbooks.glob("*.json")
    return tuple(sorted(file.stem for file in files if not file.name.startswith(".")))


CHECKPOINT = NameType("checkpoint name", checkpoint_names)
PLAYBOOK = NameType("playbook name", playbook_names)
PROFILE = NameType("profile name", profile_names)


def shared_options(command: F) -> F:
    """Add the global options, which every command takes before and after its name."""
    for option in reversed(_shared()):
        command = option(command)
    return command


def _shared() -> list[Callable[[F], F]]:
    return [
        click.option(
            "--home",
            metavar="DIR",
            help=f"Keep checkpoints, settings and logs under DIR. [env: {HOME_VARIABLE}]",
            type=click.Path(file_okay=False, path_type=Path),
            expose_value=False,
            callback=_keep_home,
        ),
        click.option(
            "--profile",
            type=PROFILE,
            help="Start from a profile of settings, such as fast.",
            expose_value=False,
            callback=_keep_profile,
        ),
        click.option(
            "--set",
            "assignments",
            metavar="KEY=VALUE",
            multiple=True,
            help="Set a setting for this run; may be given several times.",
            expose_value=False,
            callback=_keep_assignments,
            shell_complete=_complete_assignment,
        ),
        click.option(
            "--log-level",
            type=click.Choice(BY_KEY["log.level"].choices),
            help="How much goes to the log file.",
            expose_value=False,
            callback=_keep_log_level,
        ),
    ]


def _workspace(context: click.Context) -> Workspace:
    return context.find_root().ensure_object(Workspace)


def _keep_home(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None:
        _workspace(context).home_folder = str(value)


def _keep_profile(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None:
        _workspace(context).profile = value


def _keep_assignments(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    _workspace(context).assignments += value


def _keep_log_level(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None:
        _workspace(context).assignments.append(f"log.level={value}")


def _complete_assignment(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    return _starting_with(incomplete, tuple(f"{key}=" for key in BY_KEY))


def _starting_with(incomplete: str, names: tuple[str, ...]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def is_interactive() -> bool:
    """Whether a person sits at a terminal that this program reads from and writes to."""
    return sys.stdin.isatty() and sys.stdout.isatty()
