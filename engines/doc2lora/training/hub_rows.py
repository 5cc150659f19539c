"""Questions from a data set of the hub, or from a folder in its formats, by ``datasets``."""

from __future__ import annotations

from typing import Any

from engines.doc2lora.training.examples import Context, contexts_from
from engines.protocol import DocumentError

PREFIX = "dataset:"


def read_dataset(name: str, source: str) -> list[Context]:
    """The contexts of ``dataset:NAME`` or ``dataset:NAME@SPLIT``, by default of ``train``.

    NAME is a hub id, such as ``rajpurkar/squad``, or a folder.  No code of a data set is run.

    Raises:
        DocumentError: if it can't be fetched or has no such split.
    """
    place, _, split = name.removeprefix(PREFIX).partition("@")
    return contexts_from(_rows(place, split or "train"), source, place)


def _rows(place: str, split: str) -> Any:
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    try:
        return load_dataset(place, split=split)
    except (OSError, ValueError, DatasetNotFoundError) as error:
        raise DocumentError(
            f"The data set {place} (split {split}) can't be had: {error}. Look at its name and the "
            "network, or give a .jsonl file instead."
        ) from error
