"""Calling transformers without its noise, and saying its errors in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engines.protocol import EngineError, ModelError


@contextmanager
def quiet() -> Iterator[None]:
    """Inside the block transformers draws no bars and logs errors only."""
    from transformers.utils import logging as of_transformers

    logging: Any = of_transformers
    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def explained(what: str, advice: str) -> Iterator[None]:
    """Turn any failure of the block into ``ModelError("what (reason): advice.")``.

    transformers, safetensors and tokenizers raise every kind of exception for a broken
    file, so all are taken; the original one is the cause.  What already has its
    sentence, such as a cancelled load, is raised as it is.
    """
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        raise ModelError(f"{what} ({first_sentence(error)}): {advice}.") from error


def first_sentence(error: BaseException) -> str:
    """The first line of an error's text, or its type where it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".:")
