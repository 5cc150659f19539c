"""The control that ACE is compared with: the whole playbook written anew at one stroke.

One prompt shows the questions that ACE learned from, the model's own answers with an empty
playbook and the right ones, and asks for a playbook.  It is held to the same budget, the same
screening and the same check for copied answers as a patch is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engines.ace.applying import apply
from engines.ace.golds import copied_gold
from engines.ace.operations import Add
from engines.ace.playbook import Playbook
from engines.ace.prompts import block
from engines.ace.questions import Pair
from engines.ace.sections import DEFAULT_SECTIONS
from engines.ace.settings import AceSettings, limits_of
from engines.language_models.protocol import LanguageModel, PromptTooLongError, Request
from engines.language_models.schemas import shown_turns
from engines.language_models.structured import GaveUp, Structured, ask_for
from engines.protocol import Turn

NAME = "rewrite"
TOKENS = 1600
MOST_BULLETS = 12
_LEAST_SHARED = 200  # characters
_RULES = (
    "You write a playbook of short rules for somebody who will answer later questions of the same "
    "kind. You are shown questions, the answers that were given, and the right ones.\n"
    "Write the whole playbook at once. A rule is one or two sentences, stands in a section, holds "
    "for more than one question, repeats no other rule and gives no question's answer away."
)


@dataclass(frozen=True)
class Tried:
    """A question, and what the model answered with an empty playbook."""

    pair: Pair
    answer: str


@dataclass(frozen=True)
class Rewritten:
    """The playbook, and what became of it; ``why_not`` is there where nothing could be used.

    ``shown`` is how many questions the prompt had room for, ``written`` how many bullets came,
    ``refused`` how many of them were not taken.
    """

    playbook: Playbook
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 0
    shown: int = 0
    written: int = 0
    refused: int = 0
    why_not: str = ""


def rewrite(model: LanguageModel, tried: Sequence[Tried], settings: AceSettings) -> Rewritten:
    """Ask ``model`` for a playbook; the last questions go where the prompt has no room.

    Raises:
        ServerError: if the server gives no answer.
    """
    shown = list(tried)
    request = _request(shown, settings)
    while shown and _excess(model, request) > 0:
        shown.pop()
        request = _request(shown, settings)
    if not shown:
        return Rewritten(Playbook(), why_not="Not even one question fits into the context.")
    asking = ask_for(model, request, SCHEMA, retries=settings.retries)
    try:
        while True:
            try:
                next(asking)
            except StopIteration as end:
                return _made(end.value, shown, settings)
    except PromptTooLongError as error:
        return Rewritten(Playbook(), shown=len(shown), why_not=str(error))


def _made(result: Structured | GaveUp, shown: Sequence[Tried], settings: AceSettings) -> Rewritten:
    spent = result.spent
    figures: dict[str, Any] = {
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
        "attempts": result.attempts,
        "shown": len(shown),
    }
    if isinstance(result, GaveUp):
        return Rewritten(Playbook(), **figures, why_not=result.reason)
    written = result.value["bullets"]
    playbook = _playbook(written, [one.pair for one in shown], settings)
    refused = len(written) - len(playbook.bullets)
    return Rewritten(playbook, **figures, written=len(written), refused=refused)


def _playbook(
    written: Sequence[Mapping[str, str]], pairs: Sequence[Pair], settings: AceSettings
) -> Playbook:
    honest = [
        Add(row["section"], row["text"])
        for row in written
        if not any(copied_gold(row["text"], pair.answers, pair.question) for pair in pairs)
    ]
    return apply(Playbook(), honest, limits_of(settings), revision=1).playbook


def _request(shown: Sequence[Tried], settings: AceSettings) -> Request:
    turns = (Turn("system", _RULES), Turn("user", _content(shown)))
    return Request(turns, TOKENS, settings.temperature, settings.seed, SCHEMA, NAME)


def _content(shown: Sequence[Tried]) -> str:
    """The questions in blocks; what they all begin with, if it is long, stands there once."""
    questions = [one.pair.question for one in shown]
    shared = _beginning(questions) if len(questions) > 1 else ""
    parts = [block("beginning", shared)] if shared else []
    for one in shown:
        rest = one.pair.question[len(shared) :].strip()
        answers = f"Answered: {one.answer}\nRight: {' | '.join(one.pair.answers)}"
        parts.append(block("question", f"{'… ' if shared else ''}{rest}\n{answers}"))
    return "\n\n".join([*parts, f"Write the playbook, of at most {MOST_BULLETS} rules."])


def _beginning(texts: Sequence[str]) -> str:
    """The whole words that all ``texts`` begin with; none where they are few."""
    first, last = min(texts), max(texts)  # what these two share, all between them share
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    words = first[:same].rpartition(" ")[0]
    return words if len(words) >= _LEAST_SHARED else ""


def _excess(model: LanguageModel, request: Request) -> int:
    return model.count(shown_turns(request)) + request.max_tokens - model.context_tokens


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_BULLET = _object(
    {
        "section": {"type": "string", "enum": list(DEFAULT_SECTIONS)},
        "text": {"type": "string", "maxLength": 300},
    }
)
SCHEMA = _object(
    {
        "reasoning": {"type": "string", "maxLength": 600},
        "bullets": {"type": "array", "items": _BULLET, "minItems": 1, "maxItems": MOST_BULLETS},
    }
)
