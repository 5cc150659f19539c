"""``python -m engines.doc2lora.training CONFIG``: train, or go on with a run."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from engines.doc2lora.training.events import TeacherProgress, TrainingEvent
from engines.doc2lora.training.lines import line_of
from engines.doc2lora.training.settings_file import load_settings
from engines.protocol import EngineError

_TOLD_EVERY = 50  # contexts put to the teacher


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the arguments say; returns the exit code."""
    given = _parser().parse_args(arguments)
    try:
        changes = dict(_change(text) for text in given.set)
        for name in ("data", "run_folder", "store"):
            if getattr(given, name) is not None:
                changes[name] = getattr(given, name)
        settings = load_settings(given.config, changes)
        from engines.doc2lora.training.trainer import train

        stop = _Stop()
        is_first = os.environ.get("RANK", "0") == "0"  # as accelerate's launcher numbers them
        for event in train(settings, stop=stop):
            if is_first and _is_told(event):
                print(line_of(event), flush=True)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _is_told(event: TrainingEvent) -> bool:
    return not isinstance(event, TeacherProgress) or event.done % _TOLD_EVERY == 0


class _Stop:
    """True once the process has been asked to end (SIGTERM, SIGINT)."""

    def __init__(self) -> None:
        self._asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def __call__(self) -> bool:
        return self._asked

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m engines.doc2lora.training",
        description="Train a hypernetwork; a run that was stopped goes on where it was.",
    )
    parser.add_argument("config", type=Path, help="a .yaml or .json file")
    parser.add_argument("--data", help="the folder that the sources' paths are relative to")
    parser.add_argument("--run", dest="run_folder", help="the run's folder")
    parser.add_argument("--store", help="the folder of the teacher's answers")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting"
    )
    return parser


def _change(text: str) -> tuple[str, Any]:
    import yaml

    name, mark, value = text.partition("=")
    if not mark:
        raise EngineError(f"--set {text} has no '=': give it as name=value.")
    return name.strip(), yaml.safe_load(value)


if __name__ == "__main__":
    sys.exit(main())
