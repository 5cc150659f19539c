"""The teacher's targets on the disk: each question is put to it once.

A folder with ``store.json``, which says what the targets were made with, and shards: a
safetensors file with the tensors of some hundred contexts, and a JSON file of the same name
that says where each question's are.  A shard is whole or not there.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engines.atomic import write_atomically
from engines.doc2lora.training.examples import Context
from engines.doc2lora.training.teacher import Target, Teacher
from engines.protocol import CheckpointError

_NAME = "store.json"
_TENSORS = ("answer", "top_ids", "top_log_probs")


@dataclass(frozen=True, slots=True)
class Taught:
    """``done`` of ``of`` contexts have their targets in the store."""

    done: int
    of: int


class TeacherStore:
    """Targets by context and question; what is missing the teacher is asked for.

    Args:
        folder: where the shards are, or will be.
        teacher: asked for what is not there.
        made_with: plain values that targets depend on: the base's fingerprint, the prompt, the
            settings of the teacher.  A store made with others is refused.
        shard_contexts: how many contexts are kept in memory before they are written.

    Raises:
        CheckpointError: if the store was made otherwise, or a shard of it is damaged.
    """

    def __init__(
        self,
        folder: Path,
        teacher: Teacher,
        made_with: Mapping[str, Any],
        *,
        shard_contexts: int = 256,
    ) -> None:
        self._folder = folder
        self._teacher = teacher
        self._shard_contexts = shard_contexts
        self._known: dict[str, dict[str, Target]] = {}
        self._new: dict[str, dict[str, Target]] = {}
        self._open(dict(made_with))

    def __len__(self) -> int:
        """How many contexts have their targets."""
        return len(self._known)

    def targets(self, context: Context) -> dict[str, Target]:
        """The targets of a context by question, from the store or else from the teacher.

        A question that doesn't fit the model has one without tokens.
        """
        found = self._known.get(context.key, {})
        missing = tuple(a for a in context.asked if a.question not in found)
        if missing:
            found = found | self._teacher.targets(replace(context, asked=missing))
            self._known[context.key] = self._new[context.key] = found
            if len(self._new) >= self._shard_contexts:
                self.flush()
        return found

    def fill(self, contexts: Iterable[Context]) -> Iterator[Taught]:
        """Ask for all that is missing, with a count after each context.

        Closing the iterator keeps what was taught until then.
        """
        listed = list(contexts)
        try:
            for done, context in enumerate(listed, start=1):
                self.targets(context)
                yield Taught(done, len(listed))
        finally:
            self.flush()

    def flush(self) -> None:
        """Write what is new into a shard."""
        if self._new:
            _write_shard(self._folder / f"shard-{secrets.token_hex(6)}", self._new)
            self._new = {}

    def reload(self) -> None:
        """Take in the shards that other processes have written."""
        for index in sorted(self._folder.glob("shard-*.json")):
            self._known |= _read_shard(index)

    def _open(self, made_with: dict[str, Any]) -> None:
        path = self._folder / _NAME
        if path.exists():
            found = _read_json(path)
            if found != json.loads(json.dumps(made_with)):
                differing = [k for k in made_with if found.get(k) != made_with[k]]
                raise CheckpointError(
                    f"The teacher's store in {self._folder} was made with other settings "
                    f"({', '.join(differing) or 'other names'}): give another folder for it."
                )
            self.reload()
        else:
            write_atomically(path, json.dumps(made_with, indent=2, ensure_ascii=False) + "\n")


def _write_shard(path: Path, contexts: Mapping[str, Mapping[str, Target]]) -> None:
    from safetensors.torch import save

    index, parts, start = [], {name: [] for name in _TENSORS}, 0  # type: ignore[var-annotated]
    for key, targets in contexts.items():
        places = {}
        for question, target in targets.items():
            places[question] = [start, len(target.answer)]
            start += len(target.answer)
            for name in _TENSORS:
                parts[name].append(getattr(target, name))
        index.append({"context": key, "questions": places})
    data = save({name: torch.cat(part) for name, part in parts.items() if part})
    write_atomically(path.with_suffix(".safetensors"), data)
    # The index comes last: a shard without one is as if it had never been.
    write_atomically(path.with_suffix(".json"), json.dumps(index, ensure_ascii=False))


def _read_shard(index: Path) -> dict[str, dict[str, Target]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(index.with_suffix(".safetensors"))
        return {
            row["context"]: {q: _cut(tensors, *place) for q, place in row["questions"].items()}
            for row in _read_json(index)
        }
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{index} or the shard beside it is damaged: delete both, and the teacher will be "
            "asked again."
        ) from error


def _cut(tensors: Mapping[str, Tensor], start: int, length: int) -> Target:
    return Target(*(tensors[name][start : start + length] for name in _TENSORS))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged: delete it and the shard of its name, or give another folder."
        ) from error
