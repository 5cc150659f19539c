"""The folder of a training run: what it was told, what it saw, where it can go on.

    config.json          the settings of the run
    status.json          running, done or stopped; the step, the process
    sessions.jsonl       each time that it was started or resumed, a line each
    curve.jsonl          means over some steps, a line each
    evaluations.jsonl    held-out contexts, a line each
    samples.jsonl        held-out questions and answers
    skipped.jsonl        steps that changed nothing
    checkpoints/step-N/  weights, their average, the optimiser's state
    latest               the name of the newest whole checkpoint
    best/                the averaged weights with the best evaluation, ready for use

Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engines.atomic import write_atomically
from engines.doc2lora.training.events import Evaluated, Prepared, Sample, Skipped, StepDone
from engines.doc2lora.training.settings import TrainingSettings
from engines.protocol import CheckpointError

Kept = Prepared | StepDone | Evaluated | Sample | Skipped

FILES: Mapping[type, str] = {
    Prepared: "sessions.jsonl",
    StepDone: "curve.jsonl",
    Evaluated: "evaluations.jsonl",
    Sample: "samples.jsonl",
    Skipped: "skipped.jsonl",
}


class RunFolder:
    """Reads and writes the folder of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def latest(self) -> Path | None:
        """The newest whole checkpoint, None before the first."""
        try:
            name = (self.folder / "latest").read_text("utf-8").strip()
        except FileNotFoundError:
            return None
        found = self.checkpoint(name)
        if not found.is_dir():
            raise CheckpointError(
                f"{found} is gone, which {self.folder / 'latest'} names: put the name of another "
                "folder of checkpoints into that file, or begin in a new run folder."
            )
        return found

    @property
    def best(self) -> Path:
        """Where the best averaged weights are, once there are any."""
        return self.folder / "best"

    def checkpoint(self, name: str) -> Path:
        """The folder of a checkpoint."""
        return self.folder / "checkpoints" / Path(name).name

    def begin(self, settings: TrainingSettings) -> None:
        """Write down what the run was told."""
        text = json.dumps(settings.to_json(), indent=2, ensure_ascii=False)
        write_atomically(self.folder / "config.json", text + "\n")

    def append(self, event: Kept) -> None:
        """Add an event's line to its file."""
        line = json.dumps(dataclasses.asdict(event), ensure_ascii=False)
        path = self.folder / FILES[type(event)]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def forget_after(self, step: int) -> None:
        """Take out the lines of steps after ``step``, which a resumed run will do again."""
        for name in FILES.values():
            path = self.folder / name
            if path.exists():
                kept = [row for row in read_lines(path) if row["step"] <= step]
                lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
                write_atomically(path, "".join(lines))

    def status(self, state: str, step: int, steps: int) -> None:
        """Say how the run is doing, for those who follow it."""
        values = {
            "state": state,
            "step": step,
            "steps": steps,
            "pid": os.getpid(),
            "host": socket.gethostname(),
        }
        write_atomically(self.folder / "status.json", json.dumps(values) + "\n")

    def made_latest(self, checkpoint: Path, keep: int) -> None:
        """Name ``checkpoint`` as the newest and remove all but the ``keep`` newest ones."""
        write_atomically(self.folder / "latest", checkpoint.name + "\n")
        found = [p for p in checkpoint.parent.glob("step-*") if p.name[5:].isdigit()]
        for old in sorted(found, key=lambda p: int(p.name[5:]))[:-keep]:
            if old != checkpoint:
                shutil.rmtree(old, ignore_errors=True)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file; one that is being written is left for later."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    whole = text[: text.rfind("\n") + 1]
    return [json.loads(line) for line in whole.splitlines() if line.strip()]
