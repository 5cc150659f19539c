"""The model that a benchmark asks, wherever it runs, by one word on the command line."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.language_models.addresses import Endpoint
from engines.language_models.ollama import Ollama
from engines.language_models.openai_server import OpenAIServer
from engines.language_models.protocol import LanguageModel
from engines.protocol import EngineError

LLAMA_CPP = "llama.cpp"
EMBEDDED = "SmolLM2-135M-Instruct Q4_1"
SERVERS = "local, llama.cpp, ollama:URL or openai:URL"
SILENT_SECONDS = 1800.0  # a long prompt on one slow thread


@dataclass(frozen=True)
class Wanted:
    """``server`` is one of ``SERVERS``; ``gguf`` is what llama.cpp loads, else the embedded one.

    ``context`` is in tokens, ``key_variable`` names the variable that holds a server's key.
    """

    server: str = "local"
    model: str = ""
    context: int = 8192
    threads: int = 1
    gguf: Path | None = None
    key_variable: str | None = None

    @property
    def dialect(self) -> str:
        """The server without its address, as rows name it."""
        return self.server.partition(":")[0]

    @property
    def model_name(self) -> str:
        """What rows and tables call the model."""
        if self.model:
            return self.model
        if self.dialect == LLAMA_CPP:
            return self.gguf.stem if self.gguf else EMBEDDED
        return "embedded" if self.dialect == "local" else ""


@contextmanager
def served(wanted: Wanted) -> Iterator[LanguageModel]:
    """The model, ready to be asked; a server that is started here ends with it.

    Raises:
        EngineError: if there is no such server, or no model is named for it.
    """
    dialect, _, address = wanted.server.partition(":")
    if dialect == LLAMA_CPP and not address:
        with _llama_cpp(wanted) as started:
            at = Endpoint.at(started, read_seconds=SILENT_SECONDS)
            yield OpenAIServer(at, wanted.model_name, context_tokens=wanted.context)
        return
    if dialect == "local" and not address:
        yield _local(wanted)
        return
    if dialect not in {"ollama", "openai"} or not address:
        raise EngineError(f"There is no server '{wanted.server}': take {SERVERS}.")
    if not wanted.model:
        raise EngineError(f"Name the model that {address} is to answer with by --model.")
    endpoint = Endpoint.at(address, key_variable=wanted.key_variable, read_seconds=SILENT_SECONDS)
    kind = Ollama if dialect == "ollama" else OpenAIServer
    yield kind(endpoint, wanted.model, context_tokens=wanted.context)


def sha256(path: Path) -> str:
    """The sum of a file, by which a model file can be told again."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _local(wanted: Wanted) -> LanguageModel:
    from engines.host import ModelHost
    from engines.language_models.local import LocalModel

    return LocalModel(ModelHost.load(wanted.model_name))


@contextmanager
def _llama_cpp(wanted: Wanted) -> Iterator[str]:
    import xllamacpp

    from engines import embedded

    with tempfile.TemporaryDirectory() as folder:
        gguf = wanted.gguf or embedded.find_or_fetch(Path(folder), lambda text, share: None)
        if not gguf.is_file():
            raise EngineError(f"There is no file {gguf}: name a GGUF file by --gguf.")
        set_up: Any = xllamacpp.CommonParams()
        set_up.model.path = str(gguf)
        set_up.hostnames = ["127.0.0.1"]
        set_up.port = 0
        set_up.n_ctx = wanted.context
        set_up.n_parallel = 1
        set_up.cpuparams.n_threads = wanted.threads
        set_up.ui = False
        set_up.warmup = False
        set_up.verbosity = -1
        server = xllamacpp.Server(set_up)
        try:
            yield server.listening_address
        finally:
            del server
