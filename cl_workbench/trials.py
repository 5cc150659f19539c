"""One question answered under several conditions, one after the other, on the engine thread.

Each function is a generator that leaves the engine as it found it, however it ends:
closing it is how a screen stops it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engines.abilities import HasAlpha, HasLedger
from engines.protocol import Engine, EngineError, Piece, Sampling, Turn

ALPHAS = (1.0, 0.9, 0.7, 0.5, 0.3, 0.0)
_SAME_ALPHA = 1e-3


@dataclass(frozen=True, slots=True)
class AnswerGrew:
    """More of the answer in row ``row``; the first of a row may be empty."""

    row: int
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class AnswerDone:
    """The answer in row ``row`` came to its own end."""

    row: int


TrialEvent = AnswerGrew | AnswerDone


def preview_alphas(in_use: float) -> tuple[float, ...]:
    """The values to try, from the base model's 1 down to 0; ``in_use`` is one of them."""
    others = [alpha for alpha in ALPHAS if abs(alpha - in_use) > _SAME_ALPHA]
    return tuple(sorted([*others, in_use], reverse=True))


def answers_at(
    engine: Engine, turns: Sequence[Turn], sampling: Sampling, alphas: Sequence[float]
) -> Iterator[TrialEvent]:
    """One answer per α, in order; α is afterwards what it was before.

    Raises:
        EngineError: if the engine has no α.
    """
    if not isinstance(engine, HasAlpha):
        raise EngineError(f"The engine {engine.name} has no α; esc leaves.")
    before = engine.alpha
    try:
        for row, alpha in enumerate(alphas):
            engine.alpha = alpha
            yield from _answer(row, engine.reply(turns, sampling))
    finally:
        engine.alpha = before


def answers_without(
    engine: Engine, turns: Sequence[Turn], sampling: Sampling, document_ids: Sequence[str]
) -> Iterator[TrialEvent]:
    """First the answer with everything, then one without each document, in order.

    Raises:
        EngineError: if the engine can't leave a document out.
    """
    if not isinstance(engine, HasLedger):
        raise EngineError(f"The engine {engine.name} can't leave a document out; esc leaves.")
    yield from _answer(0, engine.reply(turns, sampling))
    for row, document_id in enumerate(document_ids, start=1):
        with engine.without([document_id]):
            yield from _answer(row, engine.reply(turns, sampling))


def _answer(row: int, pieces: Iterator[Piece]) -> Iterator[TrialEvent]:
    yield AnswerGrew(row, "", 0)
    for piece in pieces:
        yield AnswerGrew(row, piece.text, piece.tokens)
    yield AnswerDone(row)
