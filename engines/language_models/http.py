"""Asking a server over HTTP, line by line, so that waiting can be ended at any moment.

One request is one connection and one thread, which reads while the caller's generator
waits in short steps.  Closing the generator cancels the read and closes the connection,
even while a server is still loading its model and has sent nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import ssl
import threading
from collections.abc import AsyncIterator, Generator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from engines.language_models.addresses import Endpoint
from engines.language_models.failures import broken, declined, redirected, unreadable
from engines.language_models.protocol import ServerError

POLL_SECONDS = 0.1  # how often a waiting caller may look up, and so cancel
LINE_BYTES = 4_000_000
BODY_BYTES = 32_000_000
_ERROR_BYTES = 64_000
_LEAVE_SECONDS = 5.0  # a name that is being looked up can't be cancelled

Lines = Generator[bytes | None, None, None]


class DeclinedError(Exception):
    """The server answered with another status than 200; a dialect makes a sentence of it."""

    def __init__(self, status: int, body: str, retry_after: float | None = None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body
        self.retry_after = retry_after

    @property
    def message(self) -> str:
        """The server's own words: those in the JSON of all known dialects, else the text."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return self.body if "<" not in self.body[:200] else f"HTTP {self.status}"
        for _ in range(3):
            if not isinstance(found, dict):
                break
            found = next((found[k] for k in ("error", "message", "detail") if found.get(k)), "")
        return (found if isinstance(found, str) else json.dumps(found)) or f"HTTP {self.status}"

    def sentence(self, endpoint: Endpoint) -> ServerError:
        """What the status means in every dialect."""
        return declined(endpoint, self.status, self.message, self.retry_after)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: ``payload`` is sent as JSON."""

    method: str
    path: str
    payload: Mapping[str, Any] | None = None


def lines(endpoint: Endpoint, ask: Ask) -> Lines:
    """The lines of the server's answer as they come, without their ends; None while waiting.

    Raises:
        DeclinedError: for another status than 200.
        ServerError: if nothing answers, the connection breaks, or too much is sent.
    """
    reader = _Reader(endpoint, ask, endpoint.key())
    reader.thread.start()
    try:
        yield from reader.received()
    finally:
        reader.leave()


def fetch(endpoint: Endpoint, ask: Ask) -> Any:
    """The JSON value that the server answers with.

    Raises:
        DeclinedError: for another status than 200.
        ServerError: as ``lines``, and for an answer that is no JSON.
    """
    body = b"\n".join(line for line in lines(endpoint, ask) if line is not None)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise unreadable(endpoint, f"something else than JSON at {ask.path}") from None


class _Reader:
    """The thread that reads one answer and puts its lines into a queue."""

    def __init__(self, endpoint: Endpoint, ask: Ask, key: str | None) -> None:
        self._endpoint = endpoint
        self._ask = ask
        self._key = key
        self._inbox: queue.SimpleQueue[bytes | BaseException | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._left = threading.Event()
        self._ready = threading.Event()
        self.thread = threading.Thread(target=self._run, name="language-model", daemon=True)

    def received(self) -> Lines:
        while True:
            try:
                item = self._inbox.get(timeout=POLL_SECONDS)
            except queue.Empty:
                yield None
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def leave(self) -> None:
        """End the read and close the connection, wherever they are."""
        self._left.set()
        self._ready.wait(_LEAVE_SECONDS)
        if self._loop is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: everything was read
                self._loop.call_soon_threadsafe(self._task.cancel)
        self.thread.join(_LEAVE_SECONDS)

    def _run(self) -> None:
        try:
            with contextlib.suppress(asyncio.CancelledError):
                asyncio.run(self._read())
        except BaseException as error:
            self._inbox.put(error)
        finally:
            self._ready.set()
            self._inbox.put(None)

    async def _read(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._ready.set()
        if self._left.is_set():
            return
        try:
            async for line in _answer(self._endpoint, self._ask, self._key):
                self._inbox.put(line)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ssl.SSLError) as error:
            raise broken(self._endpoint, error) from error


async def _answer(endpoint: Endpoint, ask: Ask, key: str | None) -> AsyncIterator[bytes]:
    headers = {"Accept-Encoding": "identity"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    timeout = httpx.Timeout(endpoint.read_seconds, connect=endpoint.connect_seconds)
    async with (
        httpx.AsyncClient(
            verify=_trust(endpoint),
            trust_env=not endpoint.loopback,  # no proxy for a server on this machine
            timeout=timeout,
            follow_redirects=False,
        ) as client,
        client.stream(
            ask.method, f"{endpoint.address}{ask.path}", json=ask.payload, headers=headers
        ) as response,
    ):
        if response.is_redirect:
            raise redirected(endpoint, response.headers.get("location", ""))
        if response.status_code != httpx.codes.OK:
            raise await _declined(response)
        async for line in _split(endpoint, response):
            yield line


def _trust(endpoint: Endpoint) -> ssl.SSLContext | bool:
    # Reading the list of authorities takes longer than a whole request on this machine.
    return True if endpoint.secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _declined(response: httpx.Response) -> DeclinedError:
    body = b""
    async for part in response.aiter_bytes():
        body += part
        if len(body) > _ERROR_BYTES:
            break
    wait = response.headers.get("retry-after", "")
    seconds = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 5 else None
    text = body[:_ERROR_BYTES].decode("utf-8", "replace")
    return DeclinedError(response.status_code, text, seconds)


async def _split(endpoint: Endpoint, response: httpx.Response) -> AsyncIterator[bytes]:
    """Lines end with a line feed only: other separators may stand inside JSON strings."""
    held = bytearray()
    total = 0
    async for part in response.aiter_bytes():
        total += len(part)
        held += part
        if total > BODY_BYTES or len(held) > LINE_BYTES:
            raise ServerError(
                f"{endpoint.address} sent more than any answer is long, and was cut off: check "
                "that a language-model server is there."
            )
        if b"\n" in part:
            *whole, rest = bytes(held).split(b"\n")
            held = bytearray(rest)
            for line in whole:
                yield line.removesuffix(b"\r")
    if held:
        yield bytes(held).removesuffix(b"\r")
