"""What a TTT-E2E engine can be set to on a given model, and what is said when it can't."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from engines.host import ModelHost
from engines.protocol import EngineError
from engines.ttt.settings import TTTSettings

FEWEST_TOKENS = 8


def modified_layers(count: int, settings: TTTSettings) -> tuple[int, ...]:
    """Numbers of the layers that learn: those set, or the last quarter of ``count``.

    Raises:
        EngineError: if the settings name layers that are not there, or teach nothing.
    """
    quarter = max(1, round(count / 4))
    start = count - quarter if settings.layers_start is None else settings.layers_start
    end = count if settings.layers_end is None else settings.layers_end
    if not 0 <= start < end <= count:
        raise EngineError(
            f"model.modified_layers_start {start} and model.modified_layers_end {end} don't name "
            f"layers of this model: it has {count}, numbered from 0, the end is not included."
        )
    return tuple(range(start, end))


def check_settings(host: ModelHost, settings: TTTSettings) -> None:
    """Refuse settings that can't teach this model anything.

    Raises:
        EngineError: naming the setting and what to do.
    """
    if settings.alpha_initial >= 1.0:
        raise EngineError(
            "At α = 1 nothing reaches the weights that learn: set alpha.initial below 1."
        )
    if 0 < settings.max_tokens_per_document < FEWEST_TOKENS:
        raise EngineError(
            f"ttt.max_tokens_per_document {settings.max_tokens_per_document} is too few to learn "
            f"from: set at least {FEWEST_TOKENS}, or 0 to read everything."
        )
    longest = settings.mini_batch_size + settings.context_tokens
    if longest > host.context_limit:
        raise EngineError(
            f"ttt.mini_batch_size and ttt.context_tokens make {longest} tokens together, and "
            f"{host.name} reads {host.context_limit}: lower one of them."
        )


@contextmanager
def one_sentence_for_memory() -> Iterator[None]:
    """Turn running out of memory, on a GPU or not, into an ``EngineError``.

    It is raised inside the learn generator, so what the engine knew before still holds.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise EngineError(
            "There is not enough memory to learn this: lower ttt.mini_batch_size, "
            "ttt.context_tokens or ttt.max_tokens_per_document. Nothing was changed."
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; on a CPU torch says so with a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = ("allocate memory", "not enough memory", "out of memory")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)
