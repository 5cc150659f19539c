"""Servers with the API of OpenAI: vLLM, llama.cpp, SGLang, LM Studio and others.

They differ in what they know beside the plain chat.  Every extra is asked for first; a
server that refuses one is asked again without it, and not offered it again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from engines.language_models.addresses import Endpoint
from engines.language_models.http import Ask, DeclinedError, asked, fetch, lines
from engines.language_models.openai_answer import StreamedAnswer
from engines.language_models.protocol import (
    Answer,
    Chunk,
    ModelMissingError,
    PromptTooLongError,
    Request,
    ServerError,
    estimated_tokens,
    require_room,
    require_whole_prompt,
)
from engines.language_models.reading import is_count, text_of
from engines.language_models.retrying import persistently
from engines.language_models.schemas import messages, shown_turns
from engines.protocol import Turn

# What a server may not know, by the words with which it says so, and what comes instead.
_EXTRAS: Mapping[str, tuple[str, ...]] = {
    "stream_options": ("stream_options", "include_usage"),
    "json_schema": ("response_format", "json_schema", "schema", "grammar"),
    "json_object": ("response_format", "json_object"),
    "seed": ("seed",),
    "top_p": ("top_p",),
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens", "max_completion_tokens"),
}
_OUR_WISHES = frozenset({"max_tokens", "temperature"})  # given up only where they are named
_PENALTIES = {  # others refuse a field that they don't know
    "llamacpp": "repeat_penalty",
    "vllm": "repetition_penalty",
    "sglang": "repetition_penalty",
}
_UNKNOWN_STATUS = {400, 422, 501}
_TURN_TOKENS = 8
_OTHER_TEXT = 1.1  # how much denser in tokens a part of a prompt may be than the whole
_BRIEF_SECONDS = 5.0
_TOO_LONG = tuple(
    re.compile(pattern.replace("#", r"\d{1,9}"), re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"request \((?P<prompt>#) tokens\) exceeds.{0,80}context size \((?P<context>#)",
        r"maximum context length (?:is|of) (?P<context>#).{0,80}?(?:requested|has|contains) "
        r"(?P<prompt>#)",
        r"n_prompt_tokens\"?: ?(?P<prompt>#).{0,80}?n_ctx\"?: ?(?P<context>#)",
        r"(?P<prompt>#) (?:input )?tokens.{0,80}?context (?:length|size|window)\D{0,40}"
        r"(?P<context>#)",
    )
)

Streaming = Generator[Chunk, None, StreamedAnswer]


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a server counted, and as a share of our estimate."""

    turns: tuple[Turn, ...]
    tokens: int
    share: float

    def of(self, turns: Sequence[Turn], estimate: int) -> int:
        """How many tokens ``turns`` have, which are those or most of them."""
        if tuple(turns) == self.turns:
            return self.tokens
        return math.ceil(estimate * self.share * _OTHER_TEXT)


class OpenAIServer:
    """``model`` as the server at ``endpoint`` runs it.

    ``context_tokens`` is the most that prompt and answer may take; where the server tells a
    smaller size, that counts.
    """

    def __init__(self, endpoint: Endpoint, model: str, *, context_tokens: int = 8192) -> None:
        self._endpoint = endpoint
        self._model = model
        self._context_tokens = context_tokens
        self._described = False
        self._unknown: set[str] = set()
        self._counts = True
        self._counted: _Counted | None = None
        self._penalty: str | None = None

    @property
    def name(self) -> str:
        """The model's name as the server lists it."""
        return self._model

    @property
    def where(self) -> str:
        """The server's address, without ``/v1``."""
        return self._endpoint.address

    @property
    def context_tokens(self) -> int:
        """Prompt and answer together: what was set, or less once the server has told so."""
        return self._context_tokens

    def count(self, turns: Sequence[Turn], room: int | None = None) -> int:
        """Counted by llama.cpp and vLLM; an upper estimate elsewhere.

        The server is asked once between two answers.  Other counts are held against that one,
        as those are of the same prompt with more or less left out.
        """
        estimate = estimated_tokens(turns)
        if room is not None and estimate <= room:
            return estimate
        if self._counted is None and self._counts:
            self._counted = self._tokenized(tuple(turns), estimate)
        return estimate if self._counted is None else self._counted.of(turns, estimate)

    def stream(self, request: Request) -> Answer:
        """Answer ``request``; see ``engines.language_models.protocol``."""
        try:
            return (yield from persistently(lambda: self._ask(request), self._endpoint))
        finally:
            self._counted = None

    def _ask(self, request: Request) -> Answer:
        yield from self._describe()
        turns = shown_turns(request)
        room = self._context_tokens - request.max_tokens
        require_room(self.count(turns, room), request, self._context_tokens)
        answer = yield from self._adapting(request, turns)
        whole = answer.completion(estimated_tokens(turns))
        if answer.told_tokens:
            require_whole_prompt(
                turns, whole.prompt_tokens, whole.completion_tokens, self._context_tokens
            )
        return whole

    def _adapting(self, request: Request, turns: Sequence[Turn]) -> Streaming:
        """Ask with fewer extras as often as the server refuses some, and remember which.

        What a server refuses for another reason is remembered of no extra.
        """
        before = set(self._unknown)
        while True:
            body = self._body(request, turns)
            try:
                return (yield from self._once(body))
            except DeclinedError as error:
                refused = self._refused(error, body)
                if not refused:
                    self._unknown = before
                    raise self._sentence(error, request) from error
                self._unknown |= refused

    def _once(self, body: Mapping[str, Any]) -> Streaming:
        answer = StreamedAnswer(self._endpoint)
        ask = Ask("POST", "/v1/chat/completions", body)
        with closing(lines(self._endpoint, ask)) as received:
            for line in received:
                yield answer.take(line) if line else Chunk()
                if answer.done:
                    break
        return answer

    def _body(self, request: Request, turns: Sequence[Turn]) -> dict[str, Any]:
        known = {name for name in _EXTRAS if name not in self._unknown}
        bound = "max_tokens" if "max_tokens" in known else "max_completion_tokens"
        body: dict[str, Any] = {
            "model": self._model,
            "messages": messages(turns),
            "stream": True,
            bound: request.max_tokens,
        }
        wished = {
            "temperature": request.temperature,
            "seed": request.seed,
            "top_p": request.top_p,
        }
        body |= {name: wish for name, wish in wished.items() if wish is not None and name in known}
        if request.repetition_penalty is not None and self._penalty is not None:
            body[self._penalty] = request.repetition_penalty
        if "stream_options" in known:
            body["stream_options"] = {"include_usage": True}
        if request.schema is not None and "json_schema" in known:
            held = {"name": request.schema_name, "strict": True, "schema": request.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": held}
        elif request.schema is not None and "json_object" in known:
            body["response_format"] = {"type": "json_object"}
        return body

    def _refused(self, error: DeclinedError, body: Mapping[str, Any]) -> set[str]:
        """The extras in ``body`` that the server does not know; all where it names none."""
        if error.status not in _UNKNOWN_STATUS or _context_numbers(error.body) is not None:
            return set()
        format_used = body.get("response_format", {}).get("type")
        used = {name for name in _EXTRAS if name in body}
        used |= {format_used} if format_used else set()
        told = error.body.lower()
        named = {name for name in used if any(word in told for word in _EXTRAS[name])}
        extras = used - _OUR_WISHES
        return named or (extras | {"json_object"} if extras else set())

    def _describe(self) -> Generator[Chunk, None, None]:
        """Learn once how long a context the server has, if it tells."""
        if self._described:
            return
        try:
            found = yield from asked(self._endpoint, Ask("GET", "/v1/models"))
            limit = served_context(self._endpoint, found, self._model)
            self._penalty = _PENALTIES.get(text_of(_entry(found, self._model).get("owned_by")))
        except DeclinedError as error:
            if error.status in {401, 403, 429, 503}:
                raise error.sentence(self._endpoint) from error
            limit = None  # a server without a list may answer all the same
        if limit is not None:
            self._context_tokens = min(self._context_tokens, limit)
        self._described = True

    def _tokenized(self, turns: tuple[Turn, ...], estimate: int) -> _Counted | None:
        """``turns`` as the server counts them; None from a server that can't."""
        text = "\n".join(message["content"] for message in messages(turns))
        body = {"model": self._model, "content": text, "prompt": text}
        try:
            found = fetch(_brief(self._endpoint), Ask("POST", "/tokenize", body))
            tokens = len(found["tokens"]) + _TURN_TOKENS * (1 + len(turns))
        except (ServerError, DeclinedError, KeyError, TypeError):
            self._counts = False
            return None
        return _Counted(turns, tokens, tokens / estimate)

    def _sentence(self, error: DeclinedError, request: Request) -> ServerError:
        numbers = _context_numbers(error.body)
        if numbers is not None:
            return PromptTooLongError(numbers[0], request.max_tokens, numbers[1])
        if error.status == 404 and "model" in error.message.lower():
            return ModelMissingError(
                f"{self.where} has no model '{self._model}': choose one that 'cl-workbench "
                "servers check' lists, or start the server with it.",
                self._model,
            )
        return error.sentence(self._endpoint)


def served_context(endpoint: Endpoint, listed: Any, model: str) -> int | None:
    """The context in tokens that the server gives ``model``, out of ``/v1/models``, if told.

    llama.cpp lists what the model was made for, and tells elsewhere what it was started with.
    """
    entry = _entry(listed, model)
    if entry.get("owned_by") == "llamacpp":
        try:
            props = fetch(_brief(endpoint), Ask("GET", "/props"))
            told = props["default_generation_settings"]["n_ctx"]
            return told if is_count(told) and told > 0 else None
        except (DeclinedError, ServerError, KeyError, TypeError):
            return None
    named = ("max_model_len", "context_length", "context_window", "max_context_length")
    return next((entry[name] for name in named if is_count(entry.get(name)) and entry[name]), None)


def _entry(listed: Any, model: str) -> dict[str, Any]:
    """What ``/v1/models`` tells of ``model``, or of the first where it is not named there."""
    entries = listed_models(listed)
    return next((one for one in entries if one.get("id") == model), next(iter(entries), {}))


def _brief(endpoint: Endpoint) -> Endpoint:
    """``endpoint`` for what a server answers at once or not at all."""
    return replace(endpoint, read_seconds=min(endpoint.read_seconds, _BRIEF_SECONDS))


def listed_models(found: Any) -> list[dict[str, Any]]:
    """The entries of ``/v1/models``, whatever was sent."""
    data = found.get("data") if isinstance(found, dict) else None
    return [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []


def _context_numbers(body: str) -> tuple[int, int] | None:
    """Tokens of the prompt and of the context, if a refusal is about them."""
    for pattern in _TOO_LONG:
        found = pattern.search(body)
        if found is not None:
            return int(found["prompt"]), int(found["context"])
    return None
