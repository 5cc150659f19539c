"""Options that are short for a setting: ``--objective mixed`` is ``--set ttt.objective=mixed``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cl_workbench import assembly
from cl_workbench.commands.options import Workspace
from cl_workbench.settings_schema import BY_KEY

F = TypeVar("F", bound=Callable[..., Any])


def setting_option(flag: str, key: str, meaning: str) -> Callable[[F], F]:
    """The option ``flag`` that sets the setting ``key``, with the choices that it has."""

    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value is not None:
            workspace = context.find_root().ensure_object(Workspace)
            workspace.assignments.append(f"{key}={value}")

    return click.option(
        flag,
        type=click.Choice(BY_KEY[key].choices),
        help=f"{meaning} Short for --set {key}=….",
        expose_value=False,
        callback=keep,
    )


objective_option = setting_option(
    "--objective", "ttt.objective", "What is learned: the text's words, questions on it, or both."
)
guard_option = setting_option(
    "--guard", "guard.action", "What follows when learning costs more than its budget."
)
engine_option = click.option(
    "--engine",
    type=click.Choice(assembly.engine_names()),
    help="The strategy to use; by default the one that saved the checkpoint, or ttt.",
)
engine_of_saved_option = click.option(
    "--engine",
    type=click.Choice(assembly.engine_names()),
    help="The strategy to use; by default the one that saved the checkpoint.",
)
