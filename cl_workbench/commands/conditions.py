"""The conditions that ``ask`` compares: several α or strengths, and documents left out."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import Any

import click

from cl_workbench.commands.answering import Condition
from cl_workbench.commands.which import which_document
from cl_workbench.terminal_text import one_line
from engines.abilities import HasAlpha, HasLedger, HasStrength, ScalesLoras
from engines.protocol import Engine, EngineError, LearnReport

Left = tuple[LearnReport, ...]


class ValuesType(click.ParamType[tuple[float, ...]]):
    """One or several numbers from 0 to ``most``, separated by commas."""

    def __init__(self, name: str, most: float | None = None) -> None:
        self.name = name
        self._one: click.ParamType[Any] = click.FloatRange(0, most)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """The values, each within its bounds."""
        if isinstance(value, tuple):
            return value
        return tuple(self._number(part.strip(), param, ctx) for part in str(value).split(","))

    def _number(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = self._one.convert(text, param, ctx)
        if not math.isfinite(number):  # a range has nan, as it is neither too low nor too high
            self.fail(f"{text} is not a number that can be used.", param, ctx)
        return number


ALPHAS = ValuesType("a[,a…]", 1)
STRENGTHS = ValuesType("s[,s…]")


@dataclass(frozen=True, slots=True)
class Dialled:
    """Values that hold while an answer is written; None leaves a dial as it is."""

    alpha: float | None = None
    strength: float | None = None


def conditions(
    engine: Engine,
    without: Sequence[str],
    *,
    knock_out: bool,
    alphas: Sequence[float] = (),
    strengths: Sequence[float] = (),
) -> list[Condition]:
    """Every dialled value with every choice of documents; one plain condition if none is named.

    Raises:
        EngineError: for a document that was not learned, or what this engine can't do.
    """
    _check_dials(engine, alphas, strengths)
    named = bool(without) or knock_out
    several_alphas, several_strengths = len(alphas) > 1, len(strengths) > 1
    made = []
    for alpha, strength, left in product(
        alphas or (None,), strengths or (None,), _left_out(engine, without, knock_out=knock_out)
    ):
        told = Dialled(alpha if several_alphas else None, strength if several_strengths else None)
        made.append(
            Condition(
                heading=_heading(told, left if named else None),
                fields=_fields(told, left if named else None),
                enter=partial(
                    _under, engine, Dialled(alpha, strength), [report.id for report in left]
                ),
            )
        )
    return made


def _check_dials(engine: Engine, alphas: Sequence[float], strengths: Sequence[float]) -> None:
    if alphas and not isinstance(engine, HasAlpha):
        raise EngineError(f"The engine '{engine.name}' has no alpha: leave out --alpha.")
    if not strengths:
        return
    if not isinstance(engine, HasStrength):
        raise EngineError(f"The engine '{engine.name}' has no strength: leave out --strength.")
    limit = engine.strength_limit
    if max(strengths) > limit:
        unit = "" if isinstance(engine, ScalesLoras) else " nats"
        raise EngineError(
            f"The strength of '{engine.name}' is from 0 to {limit:g}{unit}: lower --strength."
        )


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


def _heading(told: Dialled, left: Left | None) -> str | None:
    parts = [] if told.alpha is None else [f"α {told.alpha:.2f}"]
    if told.strength is not None:
        parts.append(f"strength {told.strength:g}")
    if left is not None:
        titles = " and ".join(f"{one_line(report.title)} ({report.id})" for report in left)
        parts.append(f"without {titles}" if titles else "with all documents")
    return ", ".join(parts) or None


def _fields(told: Dialled, left: Left | None) -> dict[str, Any]:
    fields = {key: value for key, value in asdict(told).items() if value is not None}
    return fields if left is None else fields | {"without": [report.id for report in left]}


@contextmanager
def _under(engine: Engine, dialled: Dialled, left: Collection[str]) -> Iterator[None]:
    """The condition holds inside the block; the engine is as before after it."""
    with ExitStack() as stack:
        if left and isinstance(engine, HasLedger):
            stack.enter_context(engine.without(left))
        if dialled.alpha is not None and isinstance(engine, HasAlpha):
            stack.enter_context(_at_alpha(engine, dialled.alpha))
        if dialled.strength is not None and isinstance(engine, HasStrength):
            stack.enter_context(_at_strength(engine, dialled.strength))
        yield


@contextmanager
def _at_alpha(engine: HasAlpha, alpha: float) -> Iterator[None]:
    before = engine.alpha
    engine.alpha = alpha
    try:
        yield
    finally:
        engine.alpha = before


@contextmanager
def _at_strength(engine: HasStrength, strength: float) -> Iterator[None]:
    before = engine.strength
    engine.strength = strength
    try:
        yield
    finally:
        engine.strength = before
