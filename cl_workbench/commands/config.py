"""``cl-workbench config``: settings seen, changed and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cl_workbench.commands.console import echo_path, json_line
from cl_workbench.commands.options import KeyType, Workspace, shared_options
from cl_workbench.settings import (
    SettingsError,
    file_problems,
    set_in_file,
    unknown_key_problem,
    unset_in_file,
)
from cl_workbench.settings_schema import BY_KEY, SETTINGS, Value
from cl_workbench.settings_text import yaml_text
from cl_workbench.terminal_text import one_line, printable


@click.group()
@shared_options
def config() -> None:
    """Show, change and check settings."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared_options
@click.pass_obj
def show(workspace: Workspace, as_json: bool) -> None:
    """Show every setting, its value and where that comes from."""
    settings = workspace.settings
    values = {setting.key: settings.get(setting.key) for setting in SETTINGS}
    if as_json:
        record = {
            key: {"value": _plain(value), "source": settings.source(key)}
            for key, value in values.items()
        }
        click.echo(json_line(record))
        return
    key_width = max(len(key) for key in values)
    texts = {key: yaml_text(value) for key, value in values.items()}
    text_width = min(40, max(len(text) for text in texts.values()))
    for key, text in texts.items():
        source = settings.source(key)
        place = f" ({settings.where(key)})" if source in {"profile", "user"} else ""
        click.echo(one_line(f"{key:<{key_width}}  {text:<{text_width}}  {source}{place}"))


@config.command()
@click.argument("key", type=KeyType())
@click.option("--json", "as_json", is_flag=True, help="Print the value as JSON.")
@shared_options
@click.pass_obj
def get(workspace: Workspace, key: str, as_json: bool) -> None:
    """Print the value of KEY."""
    value = workspace.settings.get(key)
    if as_json:
        click.echo(json_line({"key": key, "value": _plain(value)}))
    else:
        click.echo(printable(str(value) if isinstance(value, str | Path) else yaml_text(value)))


@config.command(name="set", context_settings={"ignore_unknown_options": True})
@click.argument("key", type=KeyType())
@click.argument("value")
@shared_options
@click.pass_obj
def set_(workspace: Workspace, key: str, value: str) -> None:
    """Set KEY to VALUE in your settings file, from now on."""
    path = workspace.home.user_settings
    new = set_in_file(path, key, value)
    click.echo(printable(f"{key} is {yaml_text(new)} now, in {path}."))


@config.command()
@click.argument("key")
@shared_options
@click.pass_obj
def unset(workspace: Workspace, key: str) -> int:
    """Take KEY out of your settings file, so that the default counts again."""
    path = workspace.home.user_settings
    if unset_in_file(path, key):
        click.echo(one_line(f"{key} is no longer set in {path}."))
    elif key in BY_KEY:
        click.echo(one_line(f"{key} was not set in {path}; nothing has changed."))
    else:
        raise click.UsageError(unknown_key_problem(key))
    return 0


@config.command(name="path")
@shared_options
@click.pass_obj
def path_(workspace: Workspace) -> None:
    """Print the path of your settings file, which may not exist yet."""
    echo_path(workspace.home.user_settings)


@config.command()
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@shared_options
@click.pass_obj
def validate(workspace: Workspace, file: Path | None) -> int:
    """Check the settings in force, or those in FILE, and print every problem."""
    if file is not None:
        problems = file_problems(file)
        if problems:
            raise SettingsError(problems)
        click.echo(one_line(f"{file} is fine."))
        return 0
    count = sum(workspace.settings.source(setting.key) != "default" for setting in SETTINGS)
    click.echo(f"All settings are fine; {count} of {len(SETTINGS)} differ from the default.")
    return 0


def _plain(value: Value) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
