"""``playbook review``: operations that wait for a person, and what the person says to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from cl_workbench.commands.console import json_line
from cl_workbench.commands.options import PLAYBOOK, Workspace, shared_options
from cl_workbench.commands.playbook_keeping import keep, limits, opened
from cl_workbench.commands.playbook_text import pending_lines, pending_record
from engines.ace.operations import Operation, Remove, Tag
from engines.ace.outcome import Outcome
from engines.ace.review import Pending, pending, settle
from engines.ace.revisions import History, Place


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers of a list, or ``every`` one of it."""

    named: frozenset[int] = frozenset()
    every: bool = False

    def of(self, count: int) -> frozenset[int]:
        """Those that are meant in a list of ``count``."""
        return frozenset(range(1, count + 1)) if self.every else self.named


class NumbersType(click.ParamType[Numbers]):
    """``2,5`` as numbers, or ``all``."""

    name = "numbers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Numbers:
        """The numbers, each 1 or more."""
        if isinstance(value, Numbers):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if parts == ["all"]:
            return Numbers(every=True)
        if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
            self.fail(f"'{value}' is neither numbers as in 1,3 nor 'all'.", param, ctx)
        return Numbers(frozenset(int(part) for part in parts))


_NUMBERS = NumbersType()
_MANY = "N[,N…]|all"
_NONE = Numbers()


@dataclass(frozen=True, slots=True)
class _Said:
    accept: Numbers
    reject: Numbers
    edited: Mapping[int, str]

    def __bool__(self) -> bool:
        return bool(self.accept != _NONE or self.reject != _NONE or self.edited)


@click.command()
@click.argument("name", type=PLAYBOOK)
@click.option(
    "--accept", type=_NUMBERS, metavar=_MANY, help="Apply these operations, or all of them."
)
@click.option(
    "--reject", type=_NUMBERS, metavar=_MANY, help="Drop these operations, or all of them."
)
@click.option(
    "--edit",
    "edited",
    type=(click.IntRange(min=1), str),
    multiple=True,
    metavar="N TEXT",
    help="Apply one with TEXT in the place of its own; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared_options
@click.pass_obj
def review(
    workspace: Workspace,
    *,
    name: str,
    accept: Numbers | None,
    reject: Numbers | None,
    edited: tuple[tuple[int, str], ...],
    as_json: bool,
) -> int:
    """List the operations that wait, or decide on them.

    The numbers are those of the list, the oldest first; they change as operations are decided.
    """
    history = opened(workspace, name)
    waiting = pending(history)
    said = _Said(accept or _NONE, reject or _NONE, dict(edited))
    if not said:
        _list(name, history, waiting, as_json=as_json)
        return 0
    accepted, rejected = _places(waiting, said, name)
    offered = settle(history, accepted, rejected, limits(workspace))
    failed = _failed(offered.outcomes, len(rejected))
    notes = (f"{failed} could not be applied and wait on.",) if failed else ()
    keep(workspace, name, offered.history, offered.outcomes, as_json=as_json, notes=notes)
    return int(bool(failed))


def _failed(outcomes: Sequence[Outcome], rejected: int) -> int:
    return sum(outcome.verdict == "refused" for outcome in outcomes) - rejected


def _list(name: str, history: History, waiting: Sequence[Pending], *, as_json: bool) -> None:
    if as_json:
        rows = [pending_record(number, held) for number, held in enumerate(waiting, start=1)]
        click.echo(json_line({"playbook": name, "waiting": rows}))
        return
    for number, held in enumerate(waiting, start=1):
        for line in pending_lines(number, held, history.playbook):
            click.echo(line)
    if waiting:
        click.echo(f"Apply them with `cl-workbench playbook review {name} --accept N,N` or all.")
    else:
        click.echo(f"Nothing waits in {name}.")


def _places(
    waiting: Sequence[Pending], said: _Said, name: str
) -> tuple[dict[Place, Operation | None], Collection[Place]]:
    """What is accepted, each with its edited form, and what is rejected.

    Raises:
        UsageError: for a number that is not there, said twice, or whose text can't be edited.
    """
    every = frozenset(range(1, len(waiting) + 1))
    accept = said.accept.of(len(waiting)) | said.edited.keys()
    reject = said.reject.of(len(waiting))
    for number in sorted((accept | reject) - every):
        raise click.UsageError(
            f"Nothing waits as number {number} in {name}: "
            f"`cl-workbench playbook review {name}` lists what does."
        )
    for number in sorted(accept & reject):
        raise click.UsageError(f"Number {number} can't be both accepted and rejected.")
    chosen = {
        waiting[number - 1].place: _edited(waiting[number - 1].operation, number, said.edited)
        for number in sorted(accept)
    }
    return chosen, [waiting[number - 1].place for number in sorted(reject)]


def _edited(operation: Operation, number: int, texts: Mapping[int, str]) -> Operation | None:
    if number not in texts:
        return None
    if isinstance(operation, Tag | Remove):
        raise click.UsageError(
            f"Number {number} is a {operation.TYPE} and has no text to edit: accept or reject it."
        )
    return dataclasses.replace(operation, text=texts[number])
