"""Finding out what answers at an address, and what to run where nothing does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from engines.language_models.addresses import Endpoint
from engines.language_models.http import Ask, DeclinedError, fetch
from engines.language_models.ollama import context_length
from engines.language_models.openai_server import listed_models, served_context
from engines.language_models.protocol import ServerError, UnreadableError
from engines.language_models.reading import is_count, text_of

Dialect = Literal["ollama", "openai"]

_DESCRIBED = 20  # models whose context is asked for
_LISTED = 200
_DETAILS = ("parameter_size", "quantization_level")
_KINDS = {"llamacpp": "llama.cpp", "vllm": "vLLM", "sglang": "SGLang"}


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One model of a server; what it does not tell is None or empty."""

    name: str
    context_tokens: int | None = None
    size_bytes: int | None = None
    details: str = ""


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What was found at ``address``.

    ``dialect`` is None where no language-model server answers; ``advice`` then says what to
    do, and else what is still missing.  ``server`` is its kind, such as ``llama.cpp``.
    """

    address: str
    dialect: Dialect | None = None
    server: str = ""
    version: str = ""
    models: tuple[ServedModel, ...] = ()
    advice: str = ""


def check(address: str, *, key_variable: str | None = None, seconds: float = 5.0) -> ServerReport:
    """Look at ``address``; an answer of any kind becomes a report, never an exception.

    ``seconds`` bounds how long each question may stay unanswered.
    """
    try:
        endpoint = Endpoint.at(address, key_variable=key_variable, read_seconds=seconds, retries=0)
        return _ollama(endpoint) or _openai(endpoint) or _unknown(endpoint)
    except ServerError as error:
        return ServerReport(address, advice=str(error))


def _ollama(endpoint: Endpoint) -> ServerReport | None:
    try:
        version = text_of(_part(fetch(endpoint, Ask("GET", "/api/version")), "version"))
        tags = fetch(endpoint, Ask("GET", "/api/tags")) if version else None
    except (UnreadableError, DeclinedError):
        return None
    listed = _part(tags, "models")
    if not version or not isinstance(listed, list):
        return None
    entries = [one for one in listed if text_of(_part(one, "name"))][:_LISTED]
    models = [_ollama_model(endpoint, one, at < _DESCRIBED) for at, one in enumerate(entries)]
    advice = "" if models else "It has no model yet: run 'ollama pull NAME'."
    return ServerReport(
        endpoint.address, "ollama", "Ollama", endpoint.told(version), tuple(models), advice
    )


def _ollama_model(endpoint: Endpoint, entry: dict[str, Any], described: bool) -> ServedModel:
    name = text_of(entry["name"])
    limit = None
    if described:
        try:
            limit = context_length(fetch(endpoint, Ask("POST", "/api/show", {"model": name})))
        except (ServerError, DeclinedError):
            limit = None
    about = [text_of(_part(entry.get("details"), k)) for k in _DETAILS]
    size = entry.get("size")
    details = " ".join(part for part in about if part)
    return ServedModel(
        endpoint.told(name),
        limit,
        size if is_count(size) else None,
        endpoint.told(details) if details else "",
    )


def _openai(endpoint: Endpoint) -> ServerReport | None:
    try:
        found = fetch(endpoint, Ask("GET", "/v1/models"))
    except UnreadableError:
        return None
    except DeclinedError as error:
        if error.status in {404, 405}:
            return None
        raise error.sentence(endpoint) from error
    if not isinstance(_part(found, "data"), list):
        return None
    entries = [one for one in listed_models(found) if text_of(one.get("id"))][:_LISTED]
    owner = text_of(entries[0].get("owned_by")) if entries else ""
    advice = "" if entries else "It serves no model: load one in the server."
    return ServerReport(
        endpoint.address,
        "openai",
        _KINDS.get(owner, "OpenAI-compatible server"),
        _version(endpoint),
        tuple(_openai_model(endpoint, found, one) for one in entries),
        advice,
    )


def _openai_model(endpoint: Endpoint, found: Any, entry: dict[str, Any]) -> ServedModel:
    about = _part(entry, "meta")
    size, parameters = _part(about, "size"), _part(about, "n_params")
    return ServedModel(
        endpoint.told(text_of(entry["id"])),
        served_context(endpoint, found, text_of(entry["id"])),
        size if is_count(size) else None,
        f"{parameters / 1e6:.0f}M" if is_count(parameters) else "",
    )


def _version(endpoint: Endpoint) -> str:
    """What vLLM and llama.cpp tell of themselves, where they do."""
    for path, name in (("/version", "version"), ("/props", "build_info")):
        try:
            told = text_of(_part(fetch(endpoint, Ask("GET", path)), name))
        except (ServerError, DeclinedError):
            continue
        if told:
            return endpoint.told(told)
    return ""


def _unknown(endpoint: Endpoint) -> ServerReport:
    return ServerReport(
        endpoint.address,
        advice=f"Something answers at {endpoint.address}, but neither as Ollama nor as an "
        "OpenAI-compatible server: correct the address.",
    )


def _part(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
