"""What the engine thread does for a person's verdict on an answer, and says of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cl_workbench.engine_jobs import state_of
from cl_workbench.messages import Event, Noted, Rated, RatingOn, RatingUndone, StateChanged
from engines.abilities import Feedback, KeepsPlaybook, Rating, TakesFeedback
from engines.ace.events import AceProgress
from engines.protocol import Engine, EngineError, Progress
from widgets import figures
from widgets.plain_text import fitted, one_line

_QUESTION_WIDTH = 40
CANCELLED = "The rating was cancelled: nothing was changed."
Stop = Callable[[], bool]


@runtime_checkable
class RatesInSteps(Protocol):
    """Asks a model about a verdict, which takes time; closing the steps leaves no trace."""

    def rating(self, rating: Rating, correction: str = "") -> Generator[Progress, None, Feedback]:
        """Learn from a verdict on the last answer, and from a better one if it is given."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person says of answer ``number``, with a better one in ``correction`` if they did."""

    number: int
    rating: Rating
    correction: str = ""


def rate(engine: Engine, verdict: Verdict, *, latest: int | None, stop: Stop) -> Iterator[Event]:
    """Take a verdict; ``latest`` is the answer that the engine gave last."""
    feedback, held = None, 0
    try:
        taker = _taker(engine)
        if latest != verdict.number:
            raise EngineError(
                "The model has answered something else since: ask again, then rate the answer."
            )
        if isinstance(engine, RatesInSteps):
            feedback, held = yield from _in_steps(engine, verdict, stop)
        else:
            feedback = taker.rate(verdict.rating)
    finally:
        yield Rated(verdict.number, feedback)
    if feedback is None:
        yield Noted(CANCELLED)
        return
    yield StateChanged(state_of(engine))
    changed = isinstance(engine, KeepsPlaybook)
    yield Noted(_playbook_changed(feedback, held) if changed else _moved(feedback))


def undo(engine: Engine) -> Iterator[Event]:
    """Take the last verdict back."""
    try:
        feedback = _taker(engine).undo_rating()
    finally:
        yield RatingUndone()
    yield StateChanged(state_of(engine))
    question = fitted(one_line(feedback.question), _QUESTION_WIDTH)
    what = (
        "the playbook is"
        if isinstance(engine, KeepsPlaybook)
        else f"the returns of {_tokens(feedback.entries, 'stored ')} are"
    )
    yield Noted(f'Took back "{feedback.rating}" for "{question}": {what} as before it.')


def _in_steps(
    engine: RatesInSteps, verdict: Verdict, stop: Stop
) -> Generator[Event, None, tuple[Feedback | None, int]]:
    """The verdict that was taken in and how many changes are held; None if it was stopped."""
    held = 0
    with closing(engine.rating(verdict.rating, verdict.correction)) as steps:
        while not stop():
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value, held
            if isinstance(step, AceProgress):
                held += sum(outcome.verdict == "held" for outcome in step.outcomes)
                if step.role is not None:
                    yield RatingOn(verdict.number, _at_work(step))
    return None, 0


def _at_work(step: AceProgress) -> str:
    doing = {"reflector": "reviews the answer", "curator": "changes the playbook"}
    spent = f", {figures.count(step.spent_tokens)} tokens spent" if step.spent_tokens else ""
    again = f", attempt {step.attempt}" if step.attempt > 1 else ""
    return f"the {step.role} {doing.get(step.role or '', 'is at work')}{again}{spent}; esc stops it"


def _taker(engine: Engine) -> TakesFeedback:
    if not isinstance(engine, TakesFeedback):
        raise EngineError(f"The engine {engine.name} learns nothing from ratings.")
    return engine


def _playbook_changed(feedback: Feedback, held: int) -> str:
    changes = f"{figures.count(feedback.entries)} change{'' if feedback.entries == 1 else 's'}"
    got = f"the playbook got {changes}" if feedback.entries else "nothing in the playbook changed"
    waits = f", and {figures.count(held)} wait{'s' if held == 1 else ''} for you: press B"
    return f"{feedback.rating}: {got}{waits if held else ''}."


def _moved(feedback: Feedback) -> str:
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
