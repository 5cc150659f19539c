"""An Ollama server on this machine that answers by a script, written from its protocol.

A script maps each path to the replies it gives, one per request, the last one for ever.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Step = bytes | threading.Event | str
DROP = "drop"  # end the connection in the middle
UNTIL_LEFT = "until left"  # say nothing more until the client has gone


@dataclass
class Reply:
    """One reply: its status, its headers, and what is sent, waited for or dropped."""

    steps: Sequence[Step] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Scripted:
    """The server's state: what it will say, what it was asked, and who has left."""

    def __init__(self, replies: dict[str, list[Reply]]) -> None:
        self.replies = {"/api/show": [shown()], **replies}
        self.seen: list[Seen] = []
        self.left = threading.Event()
        self.address = ""
        self._lock = threading.Lock()

    def asked(self, path: str) -> list[Seen]:
        """The requests for ``path``."""
        return [one for one in self.seen if one.path == path]

    def reply_to(self, seen: Seen) -> Reply:
        """The next reply for a path, Ollama's 404 for an unknown one."""
        with self._lock:
            self.seen.append(seen)
            waiting = self.replies.get(seen.path)
            if not waiting:
                return Reply([b"404 page not found"], 404)
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]


class _Handler(BaseHTTPRequestHandler):
    script: Scripted

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        raw = self.rfile.read(length)
        seen = Seen(self.command, self.path, dict(self.headers), json.loads(raw) if raw else None)
        reply = self.script.reply_to(seen)
        try:
            self._send(reply)
        except (BrokenPipeError, ConnectionResetError):
            self.script.left.set()

    do_GET = do_POST  # noqa: N815 - the name that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the test's output clean."""

    def _send(self, reply: Reply) -> None:
        steps = list(reply.steps)
        if steps[:1] in ([DROP], [UNTIL_LEFT]) and not reply.headers:
            self._wait(steps[0])
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for step in steps:
            if isinstance(step, bytes):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(step), step))
                self.wfile.flush()
            elif self._wait(step):
                return
        self.wfile.write(b"0\r\n\r\n")

    protocol_version = "HTTP/1.1"

    def _wait(self, step: Step) -> bool:
        """Whether the connection has ended with this step."""
        self.close_connection = True
        if isinstance(step, threading.Event):
            step.wait(30)
            return False
        if step == UNTIL_LEFT:
            self.connection.settimeout(30)
            if self.connection.recv(1, socket.MSG_PEEK) == b"":
                self.script.left.set()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for every handler, so that none is left behind

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has left is no fault of the server."""


@contextmanager
def scripted(replies: dict[str, list[Reply]] | None = None, **chat: Any) -> Iterator[Scripted]:
    """Serve ``replies``; ``chat`` is the shorthand for the replies of ``/api/chat``."""
    script = Scripted({**(replies or {}), **({"/api/chat": chat["chat"]} if chat else {})})
    handler = type("Handler", (_Handler,), {"script": script})
    server = _Server(("127.0.0.1", 0), handler)
    script.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def line(**fields: Any) -> bytes:
    """One line of NDJSON."""
    return json.dumps(fields).encode() + b"\n"


def said(content: str, **more: Any) -> bytes:
    """A line with a piece of an answer."""
    message = {"role": "assistant", "content": content, **more}
    return line(model="m", created_at="2026-01-01T00:00:00Z", message=message, done=False)


def done(reason: str = "stop", read: int | None = 40, written: int = 5, **more: Any) -> bytes:
    """The last line of an answer."""
    counts = {"eval_count": written} | ({} if read is None else {"prompt_eval_count": read})
    message = {"role": "assistant", "content": ""}
    return line(
        model="m", message=message, done=True, done_reason=reason,
        total_duration=1, load_duration=1, **counts, **more,
    )  # fmt: skip


def answer(*pieces: str, reason: str = "stop", read: int | None = 40) -> Reply:
    """A whole answer."""
    return Reply([*(said(piece) for piece in pieces), done(reason, read)])


def failed(status: int, message: str, **headers: str) -> Reply:
    """An error as Ollama tells it."""
    return Reply([line(error=message)], status, headers)


def shown(context: int = 32768) -> Reply:
    """What ``/api/show`` tells of a model."""
    about = {"general.architecture": "qwen3", "qwen3.context_length": context}
    return Reply([line(model_info=about, details={}, capabilities=["completion"])])
