"""Having an Ollama server fetch a model, with its progress."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

from engines.language_models.addresses import Endpoint
from engines.language_models.http import Ask, DeclinedError, lines
from engines.language_models.protocol import BrokenOffError, ServerError
from engines.language_models.reading import is_count, json_object, text_of

_MOST_BYTES = 1_000_000_000  # of progress: a large model takes hours over a slow network


@dataclass(frozen=True, slots=True)
class Pulled:
    """How far a model is fetched; ``total`` is in bytes, None where the step has none."""

    status: str
    completed: int = 0
    total: int | None = None


def pull(endpoint: Endpoint, model: str) -> Generator[Pulled, None, None]:
    """Have the server fetch ``model``; closing the generator leaves it as far as it came.

    Raises:
        ServerError: if the server can't be asked, or fails to fetch it.
    """
    at = Pulled("asking the server")
    try:
        ask = Ask("POST", "/api/pull", {"model": model, "stream": True}, _MOST_BYTES)
        with closing(lines(endpoint, ask)) as received:
            for line in received:
                if line and line.strip():
                    at = _pulled(endpoint, model, line)
                yield at
                if at.status == "success":
                    return
    except DeclinedError as error:
        raise _not_pulled(endpoint, model, error.message) from error
    except BrokenOffError as error:
        raise _not_pulled(endpoint, model, "the connection was lost") from error
    raise _not_pulled(endpoint, model, "it stopped before the end")


def _pulled(endpoint: Endpoint, model: str, line: bytes) -> Pulled:
    found = json_object(endpoint, line)
    if found.get("error"):
        raise _not_pulled(endpoint, model, text_of(found["error"]))
    done, total = found.get("completed"), found.get("total")
    return Pulled(
        endpoint.told(text_of(found.get("status"))),
        done if is_count(done) else 0,
        total if is_count(total) else None,
    )


def _not_pulled(endpoint: Endpoint, model: str, why: str) -> ServerError:
    return ServerError(
        f"{endpoint.address} could not fetch '{model}' ({endpoint.told(why)}): check the model's "
        "name and the server's network, and run the same command again."
    )
