"""Looking at a training run by its folder, beside the screen's loop."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engines.protocol import EngineError

if TYPE_CHECKING:
    from engines.doc2lora.training.events import TrainingEvent

STATUS = "status.json"


@dataclass(frozen=True, slots=True)
class RunNews:
    """What a run has told since the last time, and how many ``steps`` it has to do."""

    events: tuple[TrainingEvent, ...]
    step: int
    steps: int


def watching(folder: Path, poll_seconds: float = 1.0) -> Generator[RunNews, None, None]:
    """All that the run in ``folder`` has told, then what is new at each look, to its end.

    Raises:
        EngineError: if there is no run in it, or what it wrote can't be read.
    """
    from engines.doc2lora.training.following import follow

    new: list[TrainingEvent] = []
    try:
        for event in follow(folder, poll_seconds=poll_seconds):
            if event is not None:
                new.append(event)
            else:
                yield _news(folder, new)
                new = []
        yield _news(folder, new)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"What the run in {folder} wrote can't be read ({type(error).__name__}): it may be "
            "of another version."
        ) from error


def run_fault(text: str) -> str | None:
    """One sentence if ``text`` is no folder of a training run."""
    try:
        there = (Path(text).expanduser() / STATUS).is_file()
    except (OSError, RuntimeError, ValueError):
        there = False
    return None if there else "No training run is there: give the folder that it was started with."


def _news(folder: Path, events: list[TrainingEvent]) -> RunNews:
    status = json.loads((folder / STATUS).read_text("utf-8"))
    return RunNews(tuple(events), int(status["step"]), int(status["steps"]))
