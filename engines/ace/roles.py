"""One question to one role: Generator, Reflector or Curator, and what came of it.

Whatever a model says, a ``RoleTurn`` comes of it: a role that gives no usable answer is told
apart by ``why_not`` and its step is skipped.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from engines.ace.fitting import Asking, Fitted, fitted
from engines.ace.playbook import Playbook
from engines.ace.prompts import CURATOR, GENERATOR, REFLECTOR, Brief
from engines.ace.schema import operations_schema
from engines.ace.sections import MAX_ID_CHARACTERS, id_parts
from engines.ace.settings import AceSettings
from engines.language_models.json_answers import candidates
from engines.language_models.protocol import (
    Chunk,
    LanguageModel,
    PromptTooLongError,
    Request,
    Schema,
    ServerError,
)
from engines.language_models.structured import GaveUp, Structured, ask_for
from engines.protocol import Passage, Turn

RoleName = Literal["generator", "reflector", "curator", "writer"]
Failure = Literal["", "gave up", "too long", "server"]

MOST_IDS = 8
ANSWER_CHARACTERS = 700  # four of FiNER's tags have 551
_REASONING_CHARACTERS = 800
_REFLECTION_CHARACTERS = 400
_CURATED = 5
_CURATED_CHARACTERS = 300
_SPARE_SHARE, _MOST_SPARE = 16, 600  # of the context, for an answer's fault; in tokens


@dataclass(frozen=True, slots=True)
class RoleTurn:
    """What one role was asked and said.

    ``parsed`` is its answer as JSON values, None where there is none; ``failure`` then says of
    what kind and ``why_not`` is a sentence.  ``problems`` are those of all attempts.
    ``unknown_ids`` were named and are no bullet's.  Tokens are all attempts' together,
    ``seconds`` wall time, and what was left out of the prompt for room is counted.
    """

    role: RoleName
    prompt: tuple[Turn, ...]
    said: str = ""
    thinking: str = ""
    parsed: Mapping[str, Any] | None = field(default=None, hash=False)
    failure: Failure = ""
    why_not: str = ""
    problems: tuple[str, ...] = ()
    unknown_ids: tuple[str, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    attempts: int = 0
    passages_left_out: int = 0
    bullets_left_out: int = 0

    @property
    def tokens(self) -> int:
        """Read and written together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Answered:
    """The Generator's answer."""

    reasoning: str
    bullet_ids: tuple[str, ...]
    final_answer: str


@dataclass(frozen=True, slots=True)
class Reflection:
    """The Reflector's review; ``tags`` are helpful, harmful or neutral by bullet id."""

    error_identification: str
    root_cause_analysis: str
    correct_approach: str
    key_insight: str
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)

    def text(self) -> str:
        """The review as the other roles read it."""
        return (
            f"What happened: {self.error_identification}\nWhy: {self.root_cause_analysis}\n"
            f"Better: {self.correct_approach}\nInsight: {self.key_insight}"
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What a role is to be asked, ready to be sent."""

    role: RoleName
    brief: Brief
    max_tokens: int
    schema: Schema | None = None


def generator(
    question: str,
    playbook: Playbook,
    passages: Sequence[Passage],
    settings: AceSettings,
    review: Reflection | None = None,
) -> Asked:
    """Answer ``question``; ``review`` is one of an earlier, wrong answer to it."""
    data = {"question": question} | ({"review": review.text()} if review else {})
    brief = Brief(GENERATOR, data, "Answer the question.", playbook, tuple(passages))
    properties: dict[str, Any] = {"reasoning": _text(_REASONING_CHARACTERS)}
    if playbook.bullets:
        properties["bullet_ids"] = _list(_text(MAX_ID_CHARACTERS))
    properties["final_answer"] = _text(ANSWER_CHARACTERS)
    return Asked("generator", brief, settings.generator_tokens, _object(properties))


def reflector(
    question: str,
    answer: Answered,
    feedback: str,
    used: Playbook,
    settings: AceSettings,
) -> Asked:
    """Review ``answer``; ``feedback`` says whether it is right, and what would be."""
    data = {
        "question": question,
        "reasoning": answer.reasoning,
        "answer": answer.final_answer,
        "feedback": feedback,
    }
    task = "Review the answer. The playbook above holds the bullets that were used."
    names = (
        "error_identification",
        "root_cause_analysis",
        "correct_approach",
        "key_insight",
    )
    properties: dict[str, Any] = {name: _text(_REFLECTION_CHARACTERS) for name in names}
    if used.bullets:
        tag = {"type": "string", "enum": ["helpful", "harmful", "neutral"]}
        one = _object({"id": _text(MAX_ID_CHARACTERS), "tag": tag})
        properties["bullet_tags"] = _list(one)
    brief = Brief(REFLECTOR, data, task, used)
    return Asked("reflector", brief, settings.reflector_tokens, _object(properties))


def curator(
    question: str, reflection: Reflection, playbook: Playbook, settings: AceSettings
) -> Asked:
    """Change ``playbook`` after ``reflection``; the right answer is not among what it sees."""
    data = {"question": question, "review": reflection.text()}
    brief = Brief(CURATOR, data, "Give the operations that the playbook needs.", playbook)
    return Asked("curator", brief, settings.curator_tokens)


def ask(
    model: LanguageModel, asked: Asked, settings: AceSettings, revision: int = 0
) -> Generator[Chunk, None, RoleTurn]:
    """Stream what the role writes, and return its turn; no answer of a model raises."""

    def request(brief: Brief) -> Request:
        return Request(
            brief.turns(),
            asked.max_tokens,
            settings.temperature,
            settings.seed,
            _schema(asked, brief),
            asked.role,
        )

    try:
        fit, result = yield from _answer(model, asked, request, settings, revision)
    except PromptTooLongError as error:
        return _failed(asked, "too long", error)
    except ServerError as error:
        return _failed(asked, "server", error)
    return _turn(asked, fit, result)


def _answer(
    model: LanguageModel, asked: Asked, request: Asking, settings: AceSettings, revision: int
) -> Generator[Chunk, None, tuple[Fitted, Structured | GaveUp]]:
    context = model.context_tokens
    spare = min(_MOST_SPARE, context // _SPARE_SHARE) if settings.retries else 0
    fit = fitted(model, asked.brief, request, revision, spare=spare)
    schema = _schema(asked, fit.brief)
    try:
        return fit, (yield from ask_for(model, fit.request, schema, retries=settings.retries))
    except PromptTooLongError:
        if model.context_tokens >= context:
            raise
    # Only when it is first asked does a server tell how short its context is.
    return (yield from _answer(model, asked, request, settings, revision))


def answered(turn: RoleTurn) -> Answered | None:
    """What a Generator's turn says; None where it failed."""
    if turn.parsed is None:
        return None
    ids = tuple(turn.parsed.get("bullet_ids", ()))
    return Answered(turn.parsed["reasoning"], ids, turn.parsed["final_answer"])


def reflected(turn: RoleTurn) -> Reflection | None:
    """What a Reflector's turn says; None where it failed."""
    if turn.parsed is None:
        return None
    tags = {row["id"]: row["tag"] for row in turn.parsed.get("bullet_tags", ())}
    return Reflection(
        turn.parsed["error_identification"],
        turn.parsed["root_cause_analysis"],
        turn.parsed["correct_approach"],
        turn.parsed["key_insight"],
        tags,
    )


def _schema(asked: Asked, brief: Brief) -> Schema:
    """That of the role; the Curator's names the bullets that are shown to it."""
    if asked.schema is not None:
        return asked.schema
    return operations_schema(brief.playbook, most=_CURATED, text_characters=_CURATED_CHARACTERS)


def _failed(asked: Asked, failure: Failure, error: Exception) -> RoleTurn:
    return RoleTurn(asked.role, asked.brief.turns(), failure=failure, why_not=str(error))


def _turn(asked: Asked, fit: Fitted, result: Structured | GaveUp) -> RoleTurn:
    parsed, failure, why_not, thinking = _read(asked, result)
    unknown: tuple[str, ...] = ()
    if parsed is not None and asked.role in {"generator", "reflector"}:
        known = fit.brief.playbook.ids if fit.brief.playbook else ()
        parsed, unknown = _with_known_ids(parsed, known)
    spent = result.spent
    return RoleTurn(
        asked.role,
        fit.request.turns,
        result.text,
        thinking,
        parsed,
        failure,
        why_not,
        result.problems,
        unknown,
        spent.prompt_tokens,
        spent.completion_tokens,
        spent.seconds,
        result.attempts,
        fit.passages_left_out,
        fit.bullets_left_out,
    )


def _read(
    asked: Asked, result: Structured | GaveUp
) -> tuple[Mapping[str, Any] | None, Failure, str, str]:
    if isinstance(result, Structured):
        return result.value, "", "", result.thinking
    # One bad operation need not cost the others: each is judged by itself later.
    if asked.role == "curator" and (found := _operations_in(result.text)) is not None:
        return found, "", result.reason, ""
    return None, "gave up", result.reason, ""


def _operations_in(text: str) -> Mapping[str, Any] | None:
    values = (found.value for found in candidates(text))
    return next((v for v in values if isinstance(v, dict) and "operations" in v), None)


def _with_known_ids(
    parsed: Mapping[str, Any], known: Collection[str]
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """``parsed`` with the ids that are there, each once, and those that are not."""
    unknown: list[str] = []
    changed = dict(parsed)
    if "bullet_ids" in changed:
        ids = dict.fromkeys(_bare(id_) for id_ in changed["bullet_ids"])
        changed["bullet_ids"] = [id_ for id_ in ids if id_ in known]
        unknown += [id_ for id_ in ids if id_ not in known]
    if "bullet_tags" in changed:
        tags = {_bare(row["id"]): row["tag"] for row in changed["bullet_tags"]}
        changed["bullet_tags"] = [{"id": i, "tag": t} for i, t in tags.items() if i in known]
        unknown += [id_ for id_ in tags if id_ not in known]
    return changed, tuple(unknown)


def _bare(id_: str) -> str:
    bare = id_.strip().strip("[]").strip().lower()
    return bare if id_parts(bare) else id_


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": MOST_IDS}


def _text(most: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": most}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
