"""The conditions that ``ask`` compares: at several α, and without some documents."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import click

from cl_workbench.commands.answering import Condition
from cl_workbench.commands.which import which_document
from cl_workbench.terminal_text import one_line
from engines.abilities import HasAlpha, HasLedger
from engines.protocol import Engine, EngineError, LearnReport

Left = tuple[LearnReport, ...]


class AlphasType(click.ParamType[tuple[float, ...]]):
    """One or several values of α, separated by commas."""

    name = "a[,a…]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """The values, each a number from 0 to 1."""
        if isinstance(value, tuple):
            return value
        share: click.ParamType[Any] = click.FloatRange(0, 1)
        return tuple(share.convert(part.strip(), param, ctx) for part in str(value).split(","))


ALPHAS = AlphasType()


def conditions(
    engine: Engine, alphas: Sequence[float], without: Sequence[str], *, knock_out: bool
) -> list[Condition]:
    """Every α with every choice of documents left out; one plain condition if none is named.

    Raises:
        EngineError: for a document that was not learned, or what this engine can't do.
    """
    if alphas and not isinstance(engine, HasAlpha):
        raise EngineError(f"The engine '{engine.name}' has no alpha: leave out --alpha.")
    choices = _left_out(engine, without, knock_out=knock_out)
    several = len(alphas) > 1
    named = bool(without) or knock_out
    return [
        Condition(
            heading=_heading(alpha if several else None, left if named else None),
            fields=_fields(alpha if several else None, left if named else None),
            enter=partial(_under, engine, alpha, [report.id for report in left]),
        )
        for alpha in (alphas or (None,))
        for left in choices
    ]


def _left_out(engine: Engine, without: Sequence[str], *, knock_out: bool) -> list[Left]:
    if not without and not knock_out:
        return [()]
    if not isinstance(engine, HasLedger):
        raise EngineError(
            f"The engine '{engine.name}' can't leave a document out: "
            "leave out --without and --knock-out."
        )
    if not engine.documents:
        raise EngineError("No document was learned that could be left out: use --load.")
    named = [which_document(asked, engine.documents) for asked in without]
    always = tuple({report.id: report for report in named}.values())
    if not knock_out:
        return [always]
    out = {report.id for report in always} | engine.muted
    return [always, *((*always, r) for r in engine.documents if r.id not in out)]


def _heading(alpha: float | None, left: Left | None) -> str | None:
    parts = [] if alpha is None else [f"α {alpha:.2f}"]
    if left is not None:
        titles = " and ".join(f"{one_line(report.title)} ({report.id})" for report in left)
        parts.append(f"without {titles}" if titles else "with all documents")
    return ", ".join(parts) or None


def _fields(alpha: float | None, left: Left | None) -> dict[str, Any]:
    fields: dict[str, Any] = {} if alpha is None else {"alpha": alpha}
    return fields if left is None else fields | {"without": [report.id for report in left]}


@contextmanager
def _under(engine: Engine, alpha: float | None, left: Collection[str]) -> Iterator[None]:
    """The condition holds inside the block; the engine is as before after it."""
    with ExitStack() as stack:
        if left and isinstance(engine, HasLedger):
            stack.enter_context(engine.without(left))
        if alpha is not None and isinstance(engine, HasAlpha):
            stack.enter_context(_at_alpha(engine, alpha))
        yield


@contextmanager
def _at_alpha(engine: HasAlpha, alpha: float) -> Iterator[None]:
    before = engine.alpha
    engine.alpha = alpha
    try:
        yield
    finally:
        engine.alpha = before
