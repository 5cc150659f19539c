"""A prompt that fits the context, by one rule: passages go first, then the worst bullets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from engines.ace.budget import usefulness
from engines.ace.prompts import Brief
from engines.conversation import without_oldest_exchange
from engines.language_models.protocol import LanguageModel, PromptTooLongError, Request
from engines.language_models.schemas import shown_turns
from engines.protocol import Turn

Asking = Callable[[Brief], Request]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The request, the brief as it was sent, and how much was left out of it."""

    request: Request
    brief: Brief
    passages_left_out: int = 0
    bullets_left_out: int = 0
    turns_left_out: int = 0


@dataclass(frozen=True, slots=True)
class _Shortening:
    """``at(n)`` is a brief with ``n`` things left out, up to ``most``."""

    most: int
    at: Callable[[int], Brief]


def fitted(
    model: LanguageModel, brief: Brief, asking: Asking, revision: int = 0, *, spare: int = 0
) -> Fitted:
    """``brief`` with as much left out as need be for prompt and answer to fit.

    Passages go first, the least relevant of them first; then bullets, the least useful at
    ``revision`` first; then the oldest exchanges of a conversation.  What a role is to work on
    (a question, an answer, a review) always stays whole.  ``spare`` tokens are left free beside
    the answer, for its fault if it has to be asked for again, where leaving things out can do that.

    Raises:
        PromptTooLongError: if it doesn't fit even so; with both numbers.
    """
    request = asking(brief)
    if _excess(model, request, spare) <= 0:
        return Fitted(request, brief)
    left_out = []
    shorter = brief
    for shortening in _shortenings(brief, revision):
        count = _fewest(model, shortening(shorter), asking, spare)
        shorter = shortening(shorter).at(count)
        left_out.append(count)
    request = asking(shorter)
    excess = _excess(model, request)
    if excess > 0:
        room = model.context_tokens - request.max_tokens
        raise PromptTooLongError(room + excess, request.max_tokens, model.context_tokens)
    return Fitted(request, shorter, *left_out)


def _excess(model: LanguageModel, request: Request, spare: int = 0) -> int:
    room = model.context_tokens - request.max_tokens - spare
    return model.count(shown_turns(request), room) - room


def _fewest(model: LanguageModel, shortening: _Shortening, asking: Asking, spare: int) -> int:
    """How many have to go, found by halving; all where that isn't enough."""
    first, last = 0, shortening.most
    while first < last:
        middle = (first + last) // 2
        if _excess(model, asking(shortening.at(middle)), spare) <= 0:
            last = middle
        else:
            first = middle + 1
    return first


def _shortenings(brief: Brief, revision: int) -> Iterator[Callable[[Brief], _Shortening]]:
    yield _passages
    yield lambda shorter: _bullets(shorter, revision)
    yield _turns


def _passages(brief: Brief) -> _Shortening:
    count = len(brief.passages)
    return _Shortening(count, lambda n: replace(brief, passages=brief.passages[: count - n]))


def _bullets(brief: Brief, revision: int) -> _Shortening:
    playbook = brief.playbook
    if playbook is None:
        return _Shortening(0, lambda _: brief)
    worst_first = sorted(playbook.bullets, key=lambda bullet: usefulness(bullet, revision))
    ids = [bullet.id for bullet in worst_first]
    return _Shortening(
        len(ids), lambda n: replace(brief, playbook=playbook.without(frozenset(ids[:n])))
    )


def _turns(brief: Brief) -> _Shortening:
    last = Turn("user", "")
    kept = [[*brief.before, last]]
    while len(shorter := without_oldest_exchange(kept[-1])) < len(kept[-1]):
        kept.append(shorter)
    return _Shortening(len(kept) - 1, lambda n: replace(brief, before=tuple(kept[n][:-1])))
