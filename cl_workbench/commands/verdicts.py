"""The verdicts that a checkpoint keeps, read without a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from engines.abilities import Feedback, Rating
from engines.checkpoint_parts import damaged
from engines.protocol import EngineError


def verdicts_of(folder: Path) -> tuple[Feedback, ...]:
    """The verdicts in force of the checkpoint in ``folder``, in their order.

    Raises:
        CheckpointError: if it can't be read or is damaged.
        EngineError: if its engine takes none.
    """
    from engines.checkpoints import read_manifest

    manifest = read_manifest(folder)
    if "feedback" not in manifest:
        raise takes_no_feedback(str(manifest.get("engine")))
    try:
        return tuple(_verdict(entry["feedback"]) for entry in manifest["feedback"])
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(folder) from error


def takes_no_feedback(engine: str) -> EngineError:
    """What to say of an engine that can't be rated."""
    return EngineError(
        f"The engine '{engine}' takes no feedback: rate what jitrl-full learned, as with "
        "`cl-workbench learn PATH --engine jitrl-full --save NAME`."
    )


def _verdict(entry: Mapping[str, Any]) -> Feedback:
    found = Feedback(**entry)
    counts = (found.number, found.tokens, found.entries)
    words = (found.question, found.answer, found.rated_at)
    if (
        found.rating not in get_args(Rating)
        or not all(type(count) is int for count in counts)
        or not all(isinstance(word, str) for word in words)
    ):
        raise ValueError(f"{entry!r} is no verdict")
    return found
