"""One answer of a server with OpenAI's API, while its events come in."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engines.language_models import failures
from engines.language_models.addresses import Endpoint
from engines.language_models.protocol import Chunk, Completion, Finish, ServerError
from engines.language_models.reading import is_count, json_object, text_of
from engines.language_models.thinking import Thinking

_OTHER_FIELDS = (b":", b"event:", b"id:", b"retry:")
_THINKING_FIELDS = ("reasoning_content", "reasoning", "thinking")


@dataclass
class StreamedAnswer:
    """Takes the lines of an event stream, or of one JSON body where a server streams none."""

    endpoint: Endpoint
    done: bool = False
    _text: list[str] = field(default_factory=list)
    _thinking: list[str] = field(default_factory=list)
    _splitter: Thinking = field(default_factory=Thinking)
    _body: list[bytes] = field(default_factory=list)
    _finish: str | None = None
    _usage: Mapping[str, Any] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    @property
    def told_tokens(self) -> bool:
        """Whether the server told how many tokens it has read."""
        return is_count(self._usage.get("prompt_tokens"))

    def take(self, line: bytes) -> Chunk:
        """What ``line`` adds to the answer.

        Raises:
            ServerError: if the server tells of an error, or sends what can't be read.
        """
        if line.startswith(b"error:"):
            raise self._error(json_object(self.endpoint, line[6:]))
        if line.startswith(_OTHER_FIELDS):
            return Chunk()
        if not line.startswith(b"data:"):
            self._body.append(line)
            return Chunk()
        event = line[5:].strip()
        if event == b"[DONE]":
            self.done = True
            return self._rest()
        return self._event(json_object(self.endpoint, event), "delta") if event else Chunk()

    def completion(self, estimated_prompt: int) -> Completion:
        """The whole answer.

        Raises:
            ServerError: if it is not whole.
        """
        if self._body and not self._text:
            self._event(json_object(self.endpoint, b"\n".join(self._body)), "message")
        self._rest()
        if self._finish is None and not self.done:
            raise failures.broken(self.endpoint, ConnectionError())
        text = "".join(self._text)
        finish: Finish = "length" if self._finish == "length" else "stop"
        read, written = (self._usage.get(f"{part}_tokens") for part in ("prompt", "completion"))
        return Completion(
            text,
            "".join(self._thinking),
            read if is_count(read) else estimated_prompt,
            written if is_count(written) else len(text) // 4,
            finish,
            time.monotonic() - self._began,
        )

    def _event(self, found: Mapping[str, Any], part: str) -> Chunk:
        if found.get("error"):
            raise self._error(found)
        usage = found.get("usage")
        if isinstance(usage, Mapping):
            self._usage = usage
        choices = found.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else {}
        if not isinstance(choice, Mapping):
            raise failures.unreadable(self.endpoint, "a choice that is no JSON object")
        self._finished(choice.get("finish_reason"))
        delta = choice.get(part)
        delta = delta if isinstance(delta, Mapping) else {}
        text, thinking = self._splitter.push(text_of(delta.get("content")))
        fields = (text_of(delta.get(name)) for name in _THINKING_FIELDS)
        return self._added(text, next((told for told in fields if told), "") + thinking)

    def _finished(self, reason: object) -> None:
        if reason in {"content_filter", "error", "abort"}:
            raise failures.gave_up(self.endpoint, f"the answer ended with {reason}")
        if isinstance(reason, str):
            self._finish = reason

    def _rest(self) -> Chunk:
        return self._added(*self._splitter.flush())

    def _added(self, text: str, thinking: str) -> Chunk:
        self._text.append(text)
        self._thinking.append(thinking)
        return Chunk(text, thinking)

    def _error(self, found: Mapping[str, Any]) -> ServerError:
        told: Any = found.get("error", found)
        if isinstance(told, Mapping):
            told = told.get("message") or json.dumps(told)
        return failures.gave_up(self.endpoint, text_of(told))
