"""Asking a server over HTTP, line by line, so that waiting can be ended at any moment.

One request is one connection and one thread, which reads while the caller's generator
waits in short steps.  Closing the generator cancels the read and closes the connection,
even while a server is still loading its model and has sent nothing.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import ssl
import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from engines.language_models.addresses import Endpoint
from engines.language_models.failures import (
    broken,
    declined,
    no_authorities,
    no_way,
    redirected,
    unreadable,
)
from engines.language_models.protocol import Chunk, ServerError

POLL_SECONDS = 0.1  # how often a waiting caller may look up, and so cancel
LINE_BYTES = 4_000_000
BODY_BYTES = 32_000_000
_ERROR_BYTES = 64_000
_LEAVE_SECONDS = 5.0  # a connection that is being made can't be cancelled
_CONNECTED = (".connect_tcp.complete", ".start_tls.complete")  # directly and through a proxy

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
    """One request: ``payload`` is sent as JSON, and at most ``most_bytes`` are taken back."""

    method: str
    path: str
    payload: Mapping[str, Any] | None = None
    most_bytes: int = BODY_BYTES


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


def asked(endpoint: Endpoint, ask: Ask) -> Generator[Chunk, None, Any]:
    """Return the JSON value that the server answers with; empty chunks while waiting.

    Raises:
        DeclinedError: for another status than 200.
        ServerError: as ``lines``, and for an answer that is no JSON.
    """
    body = []
    with contextlib.closing(lines(endpoint, ask)) as received:
        for line in received:
            if line is None:
                yield Chunk()
            else:
                body.append(line)
    try:
        return json.loads(b"\n".join(body))
    except (ValueError, RecursionError):
        raise unreadable(endpoint, f"something else than JSON at {ask.path}") from None


def fetch(endpoint: Endpoint, ask: Ask) -> Any:
    """``asked``, waited for."""
    asking = asked(endpoint, ask)
    while True:
        try:
            next(asking)
        except StopIteration as end:
            return end.value


class _Reader:
    """The thread that reads one answer and puts its lines into a queue."""

    def __init__(self, endpoint: Endpoint, ask: Ask, key: str | None) -> None:
        self._endpoint = endpoint
        self._ask = ask
        self._key = key
        self._inbox: queue.SimpleQueue[bytes | BaseException | None] = queue.SimpleQueue()
        self._connection = _Connection()
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
        self._connection.cut()
        self.thread.join(_LEAVE_SECONDS)

    def _run(self) -> None:
        try:
            for line in _answer(self._endpoint, self._ask, self._key, self._connection):
                self._inbox.put(line)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            self._inbox.put(broken(self._endpoint, error))
        except BaseException as error:
            self._inbox.put(error)
        finally:
            self._inbox.put(None)


class _Connection:
    """The socket of one request, so that another thread can end a read that waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._ended = False

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Told by httpx of each step; keeps the socket, the encrypted one where there is one."""
        if event.endswith(_CONNECTED):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                self._end_if_cut()

    def cut(self) -> None:
        """End the connection now, or as soon as there is one."""
        with self._lock:
            self._ended = True
            self._end_if_cut()

    def _end_if_cut(self) -> None:
        if self._ended and self._socket is not None:
            with contextlib.suppress(OSError):  # it has ended by itself
                self._socket.shutdown(socket.SHUT_RDWR)


def _answer(
    endpoint: Endpoint, ask: Ask, key: str | None, connection: _Connection
) -> Iterator[bytes]:
    headers = {"Accept-Encoding": "identity"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    timeout = httpx.Timeout(endpoint.read_seconds, connect=endpoint.connect_seconds)
    with (
        _client(endpoint) as client,
        client.stream(
            ask.method,
            f"{endpoint.address}{ask.path}",
            json=ask.payload,
            headers=headers,
            timeout=timeout,
            extensions={"trace": connection.trace},
        ) as response,
    ):
        if response.is_redirect:
            raise redirected(endpoint, response.headers.get("location", ""))
        if response.status_code != httpx.codes.OK:
            raise _declined(response)
        yield from _split(endpoint, response, ask.most_bytes)


def _client(endpoint: Endpoint) -> httpx.Client:
    trust = _trust(endpoint)
    try:
        return httpx.Client(
            verify=trust,
            trust_env=not endpoint.loopback,  # no proxy for a server on this machine
            follow_redirects=False,
        )
    except (ImportError, ValueError, httpx.InvalidURL):  # a SOCKS proxy needs another package
        raise no_way(endpoint) from None


def _trust(endpoint: Endpoint) -> ssl.SSLContext:
    # Reading the list of authorities takes longer than a whole request on this machine.
    if not endpoint.secure:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return httpx.create_ssl_context()
    except OSError:  # that of SSL_CERT_FILE
        raise no_authorities(endpoint) from None


def _declined(response: httpx.Response) -> DeclinedError:
    body = b""
    for part in response.iter_bytes():
        body += part
        if len(body) > _ERROR_BYTES:
            break
    wait = response.headers.get("retry-after", "")
    seconds = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 5 else None
    text = body[:_ERROR_BYTES].decode("utf-8", "replace")
    return DeclinedError(response.status_code, text, seconds)


def _split(endpoint: Endpoint, response: httpx.Response, most_bytes: int) -> Iterator[bytes]:
    """Lines end with a line feed only: other separators may stand inside JSON strings."""
    held = bytearray()
    total = 0
    for part in response.iter_bytes():
        total += len(part)
        held += part
        if total > most_bytes or len(held) > LINE_BYTES:
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
