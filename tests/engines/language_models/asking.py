"""Running a model's generator to its end, as every test of one needs."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from engines.language_models.addresses import Endpoint
from engines.language_models.protocol import Chunk, Completion, Request
from engines.protocol import Turn

QUESTION = Request((Turn("user", "When was the lighthouse at Grey Point built?"),), max_tokens=64)


def endpoint(address: str, **settings: Any) -> Endpoint:
    """``address`` with pauses too short to be noticed."""
    return Endpoint.at(address, **{"pause_seconds": 0.001, **settings})


def finish(generator: Generator[Chunk, None, Any]) -> tuple[list[Chunk], Any]:
    """Every chunk that had something in it, and what was returned."""
    chunks = []
    while True:
        try:
            chunk = next(generator)
        except StopIteration as end:
            return chunks, end.value
        if chunk.text or chunk.thinking:
            chunks.append(chunk)


def whole(generator: Generator[Chunk, None, Completion]) -> Completion:
    """The completion; its text and thinking are what was streamed."""
    chunks, answer = finish(generator)
    assert "".join(chunk.text for chunk in chunks) == answer.text
    assert "".join(chunk.thinking for chunk in chunks) == answer.thinking
    return answer
