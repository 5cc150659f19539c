"""A hub on this machine: the few answers of the real one that fetching a model needs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

REVISION = "0123456789abcdef0123456789abcdef01234567"


class _Handler(BaseHTTPRequestHandler):
    repos: dict[str, Path]

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.strip("/")
        parts = path.split("/")
        if parts[:2] == ["api", "models"]:
            self._describe("/".join(parts[2:4]), "/".join(parts[4:]))
        else:
            self._file("/".join(parts[:2]), "/".join(parts[4:]))

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the test's output clean."""

    def _describe(self, name: str, rest: str) -> None:
        if name not in self.repos:
            self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif name.startswith("gated/"):
            self._answer(403, b"{}", {"X-Error-Code": "GatedRepo"})
        elif rest.startswith("tree/"):
            entries = [
                {
                    "type": "file",
                    "path": str(file.relative_to(self.repos[name])),
                    "size": file.stat().st_size,
                    "oid": _sum(file)[:40],
                }
                for file in self._files(name)
            ]
            self._answer(200, json.dumps(entries).encode())
        else:
            siblings = [
                {"rfilename": str(file.relative_to(self.repos[name]))} for file in self._files(name)
            ]
            facts = {"id": name, "sha": REVISION, "siblings": siblings, "tags": []}
            self._answer(200, json.dumps(facts).encode())

    def _files(self, name: str) -> list[Path]:
        return sorted(file for file in self.repos[name].rglob("*") if file.is_file())

    def _file(self, name: str, path: str) -> None:
        file = self.repos[name] / path
        if not file.is_file():
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        headers = {"ETag": f'"{_sum(file)[:40]}"', "X-Repo-Commit": REVISION}
        self._answer(200, file.read_bytes(), headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _sum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextmanager
def serving(repos: dict[str, Path]) -> Iterator[str]:
    """Serve each folder of ``repos`` as the model of that name; yields the address."""
    handler = type("Handler", (_Handler,), {"repos": repos})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
