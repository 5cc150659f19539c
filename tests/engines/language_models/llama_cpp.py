"""A real llama.cpp server in this process, with the embedded model's own file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CONTEXT = 1024


@contextmanager
def llama_cpp(gguf: Path) -> Iterator[str]:
    """Serve ``gguf`` with one thread and a context of ``CONTEXT`` tokens; yields the address."""
    import xllamacpp

    wanted: Any = xllamacpp.CommonParams()
    wanted.model.path = str(gguf)
    wanted.hostnames = ["127.0.0.1"]
    wanted.port = 0
    wanted.n_ctx = CONTEXT
    wanted.n_parallel = 1
    wanted.cpuparams.n_threads = 1
    wanted.ui = False
    wanted.warmup = False
    wanted.verbosity = -1
    server = xllamacpp.Server(wanted)
    try:
        yield server.listening_address
    finally:
        del server
