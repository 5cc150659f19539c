"""Ollama's own API: it loads, unloads and fetches models, and tells how much it has read."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from engines.language_models import failures
from engines.language_models.addresses import Endpoint
from engines.language_models.http import Ask, DeclinedError, asked, lines
from engines.language_models.protocol import (
    Answer,
    Chunk,
    Completion,
    Finish,
    ModelMissingError,
    PromptTooLongError,
    Request,
    ServerError,
    estimated_tokens,
    require_room,
    require_whole_prompt,
)
from engines.language_models.reading import is_count, json_object, text_of
from engines.language_models.retrying import persistently
from engines.language_models.schemas import messages, shown_turns
from engines.language_models.thinking import Thinking
from engines.protocol import Turn

Think = bool | str


class Ollama:
    """``model`` as the Ollama server at ``endpoint`` runs it.

    ``context_tokens`` is sent as ``num_ctx`` with every request, since the server's own
    default cuts longer prompts without a word; where the model was made for fewer, those
    count.  ``keep_alive`` is how long the server keeps the model after an answer.
    ``think`` switches a reasoning model's thinking, for some models by a level such as
    ``low``; None leaves it to the server.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        *,
        context_tokens: int = 8192,
        keep_alive: str = "5m",
        think: Think | None = False,
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._context_tokens = context_tokens
        self._keep_alive = keep_alive
        self._think = think
        self._described = False

    @property
    def name(self) -> str:
        """The model's name with its tag."""
        return self._model

    @property
    def where(self) -> str:
        """The server's address."""
        return self._endpoint.address

    @property
    def context_tokens(self) -> int:
        """Prompt and answer together: what was set, or less once the model has told so."""
        return self._context_tokens

    def count(self, turns: Sequence[Turn], room: int | None = None) -> int:
        """An upper estimate: this server counts no tokens without answering."""
        return estimated_tokens(turns)

    def stream(self, request: Request) -> Answer:
        """Answer ``request``; see ``engines.language_models.protocol``."""
        return persistently(lambda: self._ask(request), self._endpoint)

    def _ask(self, request: Request) -> Answer:
        yield from self._describe()
        turns = shown_turns(request)
        require_room(self.count(turns), request, self._context_tokens)
        answer = _Answer(self._endpoint)
        try:
            ask = Ask("POST", "/api/chat", self._body(request, turns))
            with closing(lines(self._endpoint, ask)) as received:
                for line in received:
                    yield answer.take(line) if line else Chunk()
                    if answer.done:
                        break
        except DeclinedError as error:
            if self._think is not None and "think" in error.message.lower():
                self._think = None  # an older server, or a model that knows no switch
                return (yield from self._ask(request))
            raise self._sentence(error, request) from error
        whole = answer.completion(turns)
        require_whole_prompt(
            turns, whole.prompt_tokens, whole.completion_tokens, self._context_tokens
        )
        return whole

    def _body(self, request: Request, turns: Sequence[Turn]) -> dict[str, Any]:
        options: dict[str, Any] = {
            "num_ctx": self._context_tokens,
            "num_predict": request.max_tokens,
            "temperature": request.temperature,
        }
        wished = {
            "seed": request.seed,
            "top_p": request.top_p,
            "repeat_penalty": request.repetition_penalty,
        }
        options |= {name: value for name, value in wished.items() if value is not None}
        body: dict[str, Any] = {
            "model": self._model,
            "messages": messages(turns),
            "stream": True,
            "keep_alive": self._keep_alive,
            "truncate": False,  # newer servers refuse what they would else cut
            "shift": False,
            "options": options,
        }
        if request.schema is not None:
            body["format"] = request.schema
        if self._think is not None:
            body["think"] = self._think
        return body

    def _describe(self) -> Generator[Chunk, None, None]:
        """Learn once how long a context the model was made for, if the server tells."""
        if self._described:
            return
        try:
            limit = context_length((yield from asked(self._endpoint, _show(self._model))))
        except DeclinedError as error:
            if error.status in {401, 403, 503}:
                raise error.sentence(self._endpoint) from error
            limit = None  # a model that is missing is told of by the request itself
        if limit is not None:
            self._context_tokens = min(self._context_tokens, limit)
        self._described = True

    def _sentence(self, error: DeclinedError, request: Request) -> ServerError:
        told = error.message.lower()
        if error.status == 404 and "model" in told:
            return model_missing(self._endpoint, self._model)
        if "context" in told and ("exceed" in told or "too long" in told):
            sent = estimated_tokens(shown_turns(request))
            return PromptTooLongError(sent, request.max_tokens, self._context_tokens)
        return error.sentence(self._endpoint)


@dataclass
class _Answer:
    """One answer while its lines come in."""

    endpoint: Endpoint
    text: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    splitter: Thinking = field(default_factory=Thinking)
    last: Mapping[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def done(self) -> bool:
        return bool(self.last)

    def take(self, line: bytes) -> Chunk:
        found = json_object(self.endpoint, line)
        if found.get("error"):
            raise failures.gave_up(self.endpoint, text_of(found["error"]))
        message = found.get("message")
        message = message if isinstance(message, Mapping) else {}
        text, thinking = self.splitter.push(text_of(message.get("content")))
        thinking = text_of(message.get("thinking")) + thinking
        if found.get("done") is True:
            self.last = found
            rest, inside = self.splitter.flush()
            text, thinking = text + rest, thinking + inside
        self.text.append(text)
        self.thinking.append(thinking)
        return Chunk(text, thinking)

    def completion(self, turns: Sequence[Turn]) -> Completion:
        text = "".join(self.text)
        if not self.last:
            raise failures.broken(self.endpoint, ConnectionError())
        reason = self.last.get("done_reason", "stop")
        if reason in {"load", "unload"}:
            raise failures.busy(self.endpoint, f"the model was {reason}ed instead of asked")
        finish: Finish = "length" if reason == "length" else "stop"
        read, written = self.last.get("prompt_eval_count"), self.last.get("eval_count")
        return Completion(
            text,
            "".join(self.thinking),
            read if is_count(read) else estimated_tokens(turns),
            written if is_count(written) else len(text) // 4,
            finish,
            time.monotonic() - self.began,
        )


def model_missing(endpoint: Endpoint, model: str) -> ModelMissingError:
    """The sentence for a model that an Ollama server does not have."""
    return ModelMissingError(
        f"{endpoint.address} has no model '{model}': run 'ollama pull {model}', or choose one "
        "that is there.",
        model,
    )


def context_length(shown: Any) -> int | None:
    """The longest context in tokens in an answer of ``/api/show``, if it tells one."""
    about = shown.get("model_info") if isinstance(shown, Mapping) else None
    if not isinstance(about, Mapping):
        return None
    told = (value for key, value in about.items() if str(key).endswith(".context_length"))
    return next((value for value in told if is_count(value) and value > 0), None)


def _show(model: str) -> Ask:
    return Ask("POST", "/api/show", {"model": model})
