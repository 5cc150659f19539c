"""A server for ``ace_overhead.py`` that costs next to nothing: every reply is ready beforehand.

    python benchmarks/ace_scripted_server.py PIECES_FILE PACE

It speaks what Ollama and OpenAI document of a streamed chat.  The pieces in the file, a JSON
list of texts, are sent as one event each: all at once where PACE is 0, else one every so many
milliseconds, by a fixed timetable.  It prints its address, and ends when its standard input
does.  ``/last`` gives the chat that was asked for last, so that the very
same can be asked for without our client.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

CONTEXT = 32768
NATIVE, OPENAI = "/api/chat", "/v1/chat/completions"
_BYTES_PER_TOKEN = 4


def native_lines(pieces: list[str], read: int) -> list[bytes]:
    """The answer as Ollama streams it; ``read`` tokens are said to be read."""
    stamp = {"model": "m", "created_at": "2026-01-01T00:00:00.000000Z"}
    events: list[dict[str, Any]] = [
        stamp | {"message": {"role": "assistant", "content": piece}, "done": False}
        for piece in pieces
    ]
    counts = {"prompt_eval_count": read, "eval_count": len(pieces)}
    message = {"role": "assistant", "content": ""}
    events.append(stamp | {"message": message, "done": True, "done_reason": "stop"} | counts)
    return [json.dumps(event).encode() + b"\n" for event in events]


def openai_lines(pieces: list[str], read: int) -> list[bytes]:
    """The answer as servers with OpenAI's API stream it."""
    stamp = {"id": "chat-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}

    def choice(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
        return stamp | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    usage = {"prompt_tokens": read, "completion_tokens": len(pieces)}
    events = [choice({"content": piece}) for piece in pieces]
    events += [choice({}, "stop"), stamp | {"choices": [], "usage": usage}]
    shown = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
    return [*shown, b"data: [DONE]\n\n"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    pieces: ClassVar[list[str]] = []
    pace: ClassVar[float] = 0.0  # seconds
    last: ClassVar[bytes] = b"{}"
    ready: ClassVar[dict[tuple[str, int], list[bytes]]] = {}

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        tokens = len(body) // _BYTES_PER_TOKEN
        if self.path == "/api/show":
            self._plain({"model_info": {"m.context_length": CONTEXT}, "capabilities": []})
        elif self.path == "/tokenize":
            self._plain({"tokens": [0] * tokens})
        else:
            type(self).last = body
            self._stream(tokens)

    def do_GET(self) -> None:
        if self.path == "/last":
            self._send(b"application/json", b"", self.last)
        else:
            self._plain({"data": [{"id": "m", "max_model_len": CONTEXT}]})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing: what is written to a terminal costs time."""

    def _stream(self, tokens: int) -> None:
        key = self.path, tokens
        if key not in self.ready:
            lines = (native_lines if self.path == NATIVE else openai_lines)(self.pieces, tokens)
            parts = [b"%x\r\n%s\r\n" % (len(line), line) for line in lines]
            parts[-1] += b"0\r\n\r\n"
            self.ready[key] = parts if self.pace else [b"".join(parts)]
        self._send(b"text/event-stream", b"Transfer-Encoding: chunked\r\n", b"")
        began = time.perf_counter()
        for number, part in enumerate(self.ready[key]):
            if (wait := began + number * self.pace - time.perf_counter()) > 0:
                time.sleep(wait)
            self.wfile.write(part)

    def _plain(self, value: dict[str, Any]) -> None:
        self._send(b"application/json", b"", json.dumps(value).encode())

    def _send(self, kind: bytes, more: bytes, body: bytes) -> None:
        length = more or b"Content-Length: %d\r\n" % len(body)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\n" + length)
        self.wfile.write(b"\r\n" + body)


def main() -> None:
    _Handler.pace = float(sys.argv[2]) / 1000
    _Handler.pieces = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
