"""An answer as JSON that fits a schema, or a reason why there is none.

The schema goes to the server or to our own grammar, and still every answer is validated:
servers ignore schemas, answers are cut, and some models think aloud.  jsonschema validates,
since the very same dictionary is the server's grammar and ours; models of pydantic would be
a second description that could differ.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

from engines.language_models.json_answers import Found, Repair, candidates
from engines.language_models.protocol import (
    BrokenOffError,
    Chunk,
    Completion,
    LanguageModel,
    PromptTooLongError,
    Request,
    Schema,
)
from engines.language_models.schemas import bounded
from engines.language_models.thinking import without_thinking
from engines.protocol import Turn

Check = Callable[[Any], str | None]
"""Says what is wrong with a value that fits the schema, None if nothing is."""

_SHOWN = 300  # characters of a problem
_QUOTED = 1500  # characters of a useless answer that the model is shown again


@dataclass(frozen=True, slots=True)
class Spent:
    """What all attempts cost together; ``calls`` counts requests, a server's retries too."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    calls: int = 0

    def with_answer(self, answer: Completion) -> Spent:
        """This and ``answer``."""
        return Spent(
            self.prompt_tokens + answer.prompt_tokens,
            self.completion_tokens + answer.completion_tokens,
            self.seconds + answer.seconds,
            self.calls + answer.attempts,
        )


@dataclass(frozen=True, slots=True)
class Structured:
    """A value that fits the schema, and how it was come by."""

    value: Any
    text: str
    thinking: str
    attempts: int
    spent: Spent
    repair: Repair = "none"
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GaveUp:
    """No answer could be used: why not, and every problem on the way."""

    reason: str
    attempts: int
    spent: Spent
    text: str = ""
    problems: tuple[str, ...] = ()


def ask_for(
    model: LanguageModel,
    request: Request,
    schema: Schema,
    check: Check | None = None,
    *,
    retries: int = 2,
) -> Generator[Chunk, None, Structured | GaveUp]:
    """Stream ``model``'s answer to ``request`` and return it as a value that fits ``schema``.

    An answer that can't be used is asked for again up to ``retries`` times, with the problem
    shown to the model; each chunk carries its attempt.

    Raises:
        UnboundedSchemaError: if ``schema`` allows answers without an end.
        ServerError: if the server can't answer at all; an answer that broke off is asked
            for again.
    """
    asked = replace(request, schema=bounded(schema))
    spent, problems, text = Spent(), list[str](), ""
    for attempt in range(1, retries + 2):
        try:
            answer = yield from _numbered(model, asked, attempt)
        except BrokenOffError as error:
            if attempt > retries:
                raise
            problems.append(str(error))
            spent = replace(spent, calls=spent.calls + 1)
            continue
        except PromptTooLongError as error:
            if not text:
                raise
            # A person can do something about the answer's own fault.
            reason, what = problems[-1], "there was no room in the context to ask again"
            return GaveUp(f"{reason} ({what})", attempt - 1, spent, text, (*problems, str(error)))
        spent, text = spent.with_answer(answer), answer.text
        found = read(answer.text, schema, check)
        if isinstance(found, Found):
            return Structured(
                found.value, text, answer.thinking, attempt, spent, found.repair, tuple(problems)
            )
        problems.append(_with_cut(found, answer))
        asked = replace(asked, turns=_again(request.turns, answer, problems[-1]))
    return GaveUp(problems[-1], retries + 1, spent, text, tuple(problems))


def read(text: str, schema: Schema, check: Check | None = None) -> Found | str:
    """The value in ``text`` that fits ``schema``, or the problem in one sentence."""
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(dict(schema))
    problem = "it holds no JSON object"
    for number, found in enumerate(candidates(text)):
        fault = _fault(validator, found.value) or (check(found.value) if check else None)
        if fault is None:
            return found
        if number == 0:
            problem = fault
    return problem[:_SHOWN]


def _fault(validator: Any, value: Any) -> str | None:
    from jsonschema.exceptions import best_match

    error = best_match(validator.iter_errors(value))
    if error is None:
        return None
    message = error.message
    if len(message) > _SHOWN:  # it quotes the value
        message = f"it breaks {error.validator} {str(error.validator_value)[:80]}"
    return f"at {error.json_path[:80]}: {message}"


def _numbered(
    model: LanguageModel, request: Request, attempt: int
) -> Generator[Chunk, None, Completion]:
    answering = model.stream(request)
    try:
        while True:
            try:
                yield replace(next(answering), attempt=attempt)
            except StopIteration as end:
                whole: Completion = end.value
                return whole
    finally:
        answering.close()


def _with_cut(problem: str, answer: Completion) -> str:
    return (
        f"the answer was cut at its longest, and {problem}"
        if answer.finish == "length"
        else (problem)
    )


def _again(turns: tuple[Turn, ...], answer: Completion, problem: str) -> tuple[Turn, ...]:
    """The conversation with the useless answer and what is wrong with it."""
    text = without_thinking(answer.text)
    quoted = text if len(text) <= _QUOTED else f"{text[:_QUOTED]} …"
    said = (Turn("assistant", quoted),) if quoted else ()
    wanted = f"That can't be used: {problem}. Answer again, shorter, with the JSON object alone."
    if not said:  # two user turns in a row are refused by some templates
        return (*turns[:-1], Turn(turns[-1].role, f"{turns[-1].content}\n\n{wanted}"))
    return (*turns, *said, Turn("user", wanted))
