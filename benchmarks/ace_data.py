"""The Formula and FiNER tasks: which questions are learned from, and which only tell.

Formula has a file of each kind.  FiNER has one file: both parts are drawn from it, and what
is learned from shares no sentence with what is asked.  The order is drawn by the seed before
anything is counted off, so that asking more later asks the same questions first.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engines.ace.questions import Pair
from engines.protocol import EngineError

VARIABLE = "CL_WORKBENCH_ACE_DATA"
TASKS = ("formula", "finer")
FORMULA_LEARN = "task_ace_formula_train_subset_500"
FORMULA_VALIDATE = "task_ace_formula_val_subset_300"
FINER = "task_ace_finer_val_batched_500_samples"
_SENTENCE = re.compile(r'in sentence: "(.*?)"\s*$', re.MULTILINE)


class DataError(EngineError):
    """The questions are not where they should be; the sentence says what to do."""


@dataclass(frozen=True)
class Task:
    """The questions of one task, those to learn from and those to ask."""

    name: str
    learn: tuple[Pair, ...]
    validate: tuple[Pair, ...]


def task(name: str, folder: Path | None, *, learn: int, validate: int, seed: int) -> Task:
    """``learn`` and ``validate`` questions of the task, fewer where there are no more.

    Raises:
        DataError: if no folder is given, or a file is not in it or can't be read.
    """
    if folder is None:
        raise DataError(
            f"No folder with the questions is given: name it by --data or in {VARIABLE}."
        )
    if name == "formula":
        pool = _drawn(folder, FORMULA_LEARN, f"{seed}-learn")
        asked = _drawn(folder, FORMULA_VALIDATE, f"{seed}-validate")[:validate]
    else:
        pool = _drawn(folder, FINER, f"{seed}-validate")
        asked, pool = pool[:validate], pool[validate:]
    known = {part for pair in asked for part in _parts(pair)}
    apart = [pair for pair in pool if not known & _parts(pair)]
    return Task(name, tuple(apart[:learn]), tuple(asked))


def _parts(pair: Pair) -> set[str]:
    """The sentences that a batch asks about, or the whole question where it names none."""
    return set(_SENTENCE.findall(pair.question)) or {pair.question.strip().casefold()}


def _drawn(folder: Path, name: str, seed: str) -> list[Pair]:
    pairs = list({pair.question: pair for pair in _pairs(folder, name)}.values())
    random.Random(seed).shuffle(pairs)
    return pairs


def _pairs(folder: Path, name: str) -> Iterator[Pair]:
    packed, plain = folder / f"{name}.jsonl.gz", folder / f"{name}.jsonl"
    path = packed if packed.is_file() else plain
    if not path.is_file():
        raise DataError(
            f"{folder} holds neither {packed.name} nor {plain.name}: name the folder with the "
            f"task files by --data or in {VARIABLE}."
        )
    try:
        with gzip.open(path, "rt", "utf-8") if path is packed else path.open("rt") as stream:
            for line in stream:
                row = json.loads(line)
                yield Pair(row["context"], (row["target"],))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path.name} can't be read ({error}): each line needs a 'context' and a 'target'."
        ) from error
