"""A model on a server in the place of the loaded one: nothing is loaded here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Literal

from engines.language_models.addresses import Endpoint
from engines.language_models.check import ServerReport, check
from engines.language_models.ollama import Ollama, Think, model_missing
from engines.language_models.openai_server import OpenAIServer
from engines.language_models.protocol import LanguageModel, Request, ServerError
from engines.protocol import EngineError, Piece, Sampling, Turn

Report = Callable[[str, float | None], None]


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """Which server to ask, and how: see the ``server`` settings.

    ``model`` None takes the first one that the server lists.
    """

    dialect: Literal["ollama", "openai"]
    endpoint: Endpoint
    model: str | None = None
    context_tokens: int = 8192
    keep_alive: str = "5m"
    think: Think | None = False


class ServedHost:
    """Stands where a loaded base model would: its plain answers come from the server.

    Attributes:
        language_model: what answers.
        why: one sentence on where it runs.
    """

    dtype = "as served"
    parameters = 0

    def __init__(self, language_model: LanguageModel, why: str) -> None:
        self.language_model = language_model
        self.why = why

    @classmethod
    def open(cls, choice: ServerChoice, report: Report | None = None) -> ServedHost:
        """Look who answers at the address, and choose the model there.

        Raises:
            ServerError: with one sentence on what to do, if none answers or has the model.
        """
        endpoint = choice.endpoint
        if report is not None:
            report(f"asking {endpoint.address}", None)
        found = check(
            endpoint.address,
            key_variable=endpoint.key_variable,
            seconds=min(endpoint.read_seconds, 10.0),
        )
        model = _chosen(choice, found)
        kind = f"{found.server} {found.version}".strip()
        told = next((m.context_tokens for m in found.models if m.name == model), None)
        room = min(choice.context_tokens, told or choice.context_tokens)
        return cls(
            _asked(replace(choice, context_tokens=room), model),
            f"it answers at {endpoint.address} ({kind})",
        )

    @property
    def name(self) -> str:
        """The model's name on its server."""
        return self.language_model.name

    @property
    def device(self) -> str:
        """The server's address."""
        return self.language_model.where

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Stream the model's own answer to the last turn, with nothing learned in view.

        Raises:
            ServerError: if the server gives none.
        """
        if not turns or turns[-1].role != "user":
            raise EngineError("There is no question to answer: end with one.")
        request = Request.of(turns, sampling)
        with closing(self.language_model.stream(request)) as writing:
            for chunk in writing:
                yield Piece(chunk.text, tokens=1 if chunk.text or chunk.thinking else 0)


def _chosen(choice: ServerChoice, found: ServerReport) -> str:
    """The name of the model to ask for, if the server can be asked for it."""
    address = choice.endpoint.address
    if found.dialect is None:
        raise ServerError(found.advice)
    if choice.dialect == "ollama" and found.dialect != "ollama":
        raise ServerError(
            f"{address} answers as {found.server}, not as Ollama: set server.dialect to openai."
        )
    names = [model.name for model in found.models]
    if choice.model is None:
        if not names:
            raise ServerError(f"{address} lists no model. {found.advice}".strip())
        return names[0]
    known = {choice.model, f"{choice.model}:latest"}
    if found.dialect == "ollama" and not known & set(names):
        raise model_missing(choice.endpoint, choice.model)
    return choice.model


def _asked(choice: ServerChoice, model: str) -> LanguageModel:
    if choice.dialect == "openai":
        return OpenAIServer(choice.endpoint, model, context_tokens=choice.context_tokens)
    return Ollama(
        choice.endpoint,
        model,
        context_tokens=choice.context_tokens,
        keep_alive=choice.keep_alive,
        think=choice.think,
    )
