"""What the engine thread does for a person's verdict on an answer, and says of it."""

from __future__ import annotations

from collections.abc import Iterator

from cl_workbench.engine_jobs import state_of
from cl_workbench.messages import Event, Noted, Rated, RatingUndone, StateChanged
from engines.abilities import Feedback, Rating, TakesFeedback
from engines.protocol import Engine, EngineError
from widgets import figures
from widgets.plain_text import fitted, one_line

_QUESTION_WIDTH = 40


def rate(engine: Engine, rating: Rating, number: int, *, latest: int | None) -> Iterator[Event]:
    """Take a verdict on answer ``number``; ``latest`` is the one that the engine gave last."""
    feedback = None
    try:
        taker = _taker(engine)
        if latest != number:
            raise EngineError(
                "The model has answered something else since: ask again, then rate the answer."
            )
        feedback = taker.rate(rating)
    finally:
        yield Rated(number, feedback)
    yield StateChanged(state_of(engine))
    yield Noted(_done(feedback))


def undo(engine: Engine) -> Iterator[Event]:
    """Take the last verdict back."""
    try:
        feedback = _taker(engine).undo_rating()
    finally:
        yield RatingUndone()
    yield StateChanged(state_of(engine))
    question = fitted(one_line(feedback.question), _QUESTION_WIDTH)
    yield Noted(
        f'Took back "{feedback.rating}" for "{question}": the returns of '
        f"{_tokens(feedback.entries, 'stored ')} are as they were before it."
    )


def _taker(engine: Engine) -> TakesFeedback:
    if not isinstance(engine, TakesFeedback):
        raise EngineError(f"The engine {engine.name} learns nothing from ratings.")
    return engine


def _done(feedback: Feedback) -> str:
    rests = "rests" if feedback.tokens == 1 else "rest"
    they, returns = ("its", "return") if feedback.entries == 1 else ("their", "returns")
    moved = "rose" if feedback.rating == "up" else "fell"
    return (
        f"{feedback.rating}: {_tokens(feedback.tokens)} of this answer {rests} on "
        f"{figures.count(feedback.entries)} stored one{'' if feedback.entries == 1 else 's'}; "
        f"{they} {returns} {moved}."
    )


def _tokens(count: int, kind: str = "") -> str:
    return f"{figures.count(count)} {kind}token{'' if count == 1 else 's'}"
