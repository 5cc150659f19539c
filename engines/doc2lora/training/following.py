"""Following a run by its folder, whichever process it belongs to.

Nothing here imports torch.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from engines.doc2lora.training.events import Finished, TrainingEvent
from engines.doc2lora.training.run_folder import FILES, Kept, read_lines
from engines.protocol import EngineError

_KINDS: Mapping[str, Any] = {FILES[kind]: kind for kind in FILES}


def follow(
    run_folder: Path,
    *,
    poll_seconds: float = 1.0,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[TrainingEvent | None]:
    """What a run has told so far, then what it goes on to tell, until it ends.

    Between two looks at the folder None is given, so that a caller can do something else or
    stop; ``stop`` ends the iterator at the next one.  The last event of a run that ended, or
    whose process is gone, is ``Finished``.

    Raises:
        EngineError: if there is no run in the folder.
    """
    if not (run_folder / "status.json").exists():
        raise EngineError(
            f"There is no training run in {run_folder}: give the folder that a run was started "
            "with."
        )
    seen = dict.fromkeys(_KINDS, 0)
    while not stop():
        status = _status(run_folder)  # before the lines: none is missed at the end
        yield from _new(run_folder, seen)
        if (end := _ended(status)) is not None:
            yield end
            return
        yield None
        time.sleep(poll_seconds)


def _new(folder: Path, seen: dict[str, int]) -> Iterator[TrainingEvent]:
    """Events whose lines are new, in the order of their steps."""
    found: list[Kept] = []
    for name, kind in _KINDS.items():
        rows = read_lines(folder / name)
        first = min(seen[name], len(rows))  # a resumed run takes back what it will do again
        found += [kind(**row) for row in rows[first:]]
        seen[name] = len(rows)
    yield from sorted(found, key=_place)


def _place(event: Kept) -> tuple[int, int]:
    return event.step, list(FILES).index(type(event))


def _status(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "status.json").read_text("utf-8"))
    return found


def _ended(status: Mapping[str, Any]) -> Finished | None:
    if status["state"] in {"done", "stopped"}:
        return Finished(status["step"], status["state"])
    if status["host"] == socket.gethostname() and not _is_alive(status["pid"]):
        return Finished(status["step"], "stopped")
    return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
