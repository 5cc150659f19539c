"""Trying again while nothing of an answer was seen, and never after."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import replace

from engines.language_models.addresses import Endpoint
from engines.language_models.http import POLL_SECONDS
from engines.language_models.protocol import (
    Answer,
    BrokenOffError,
    BusyError,
    Chunk,
    Completion,
    ServerError,
    UnreachableError,
)

_LONGEST_WAIT = 30.0  # seconds, whatever a server asks for


def persistently(ask: Callable[[], Answer], endpoint: Endpoint) -> Answer:
    """Run ``ask`` anew while the server is busy or lost, up to ``endpoint.retries`` times.

    Once a piece of an answer was yielded, a failure is raised as it is.
    """
    began = time.monotonic()
    for attempt in range(1, endpoint.retries + 2):
        answering = ask()
        begun = False
        try:
            while True:
                try:
                    chunk = next(answering)
                except StopIteration as end:
                    whole: Completion = end.value
                    return replace(whole, seconds=time.monotonic() - began, attempts=attempt)
                begun = begun or bool(chunk.text or chunk.thinking)
                yield chunk
        except (BusyError, BrokenOffError, UnreachableError) as error:
            if begun or attempt > endpoint.retries:
                raise
            yield from _pause(endpoint.pause_seconds * 2 ** (attempt - 1), error)
        finally:
            answering.close()
    raise AssertionError  # the last attempt returns or raises


def _pause(seconds: float, error: ServerError) -> Generator[Chunk, None, None]:
    asked = error.wait if isinstance(error, BusyError) and error.wait is not None else seconds
    until = time.monotonic() + min(max(seconds, asked), _LONGEST_WAIT)
    while (left := until - time.monotonic()) > 0:
        yield Chunk()
        time.sleep(min(left, POLL_SECONDS))
