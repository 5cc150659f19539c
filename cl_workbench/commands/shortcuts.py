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
    """The option ``flag`` that sets the setting ``key``, within what that allows."""
    setting = BY_KEY[key]
    allowed: click.ParamType[Any] = click.Choice(setting.choices)
    if setting.kind == "whole":
        allowed = click.IntRange(_bound(setting.low), _bound(setting.high))

    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value is not None:
            workspace = context.find_root().ensure_object(Workspace)
            workspace.assignments.append(f"{key}={value}")

    return click.option(
        flag,
        type=allowed,
        metavar="N" if setting.kind == "whole" else None,
        help=f"{meaning} Short for --set {key}=….",
        expose_value=False,
        callback=keep,
    )


def _bound(value: float | None) -> int | None:
    return None if value is None else int(value)


def given(context: click.Context, *names: str) -> tuple[str, ...]:
    """Those of these options that were written on the command line."""
    written = click.core.ParameterSource.COMMANDLINE
    return tuple(name for name in names if context.get_parameter_source(name) is written)


objective_option = setting_option(
    "--objective", "ttt.objective", "What is learned: the text's words, questions on it, or both."
)
guard_option = setting_option(
    "--guard", "guard.action", "What follows when learning costs more than its budget."
)
loops_option = setting_option("--loops", "ace.loops", "How often ace goes through all questions.")
review_option = setting_option(
    "--review", "ace.review", "Whether ace changes its playbook at once or waits for a person."
)
mode_option = setting_option(
    "--mode", "doc2lora.mode", "Whether doc2lora makes a LoRA of documents or of a description."
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
