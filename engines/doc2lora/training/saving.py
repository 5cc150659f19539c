"""Checkpoints of a run: all that is needed to go on to the bit, as safetensors and JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engines.atomic import write_atomically
from engines.checkpoint_parts import Part, check_part, write_part
from engines.doc2lora import stored
from engines.doc2lora.config import HypernetworkConfig
from engines.doc2lora.training.descent import Average, optimiser_tensors, restore_optimiser
from engines.protocol import CheckpointError

_FILE = "training.json"
_VERSION = 1


@dataclass(slots=True)
class Position:
    """Where a run is: plain values.

    ``step`` is how many steps are done, ``seconds`` how long they took, ``best`` the lowest
    held-out loss so far, ``skipped`` how many steps in a row were skipped just now.
    """

    step: int = 0
    seconds: float = 0.0
    best: float | None = None
    skipped: int = 0
    sampler: dict[str, int] = field(default_factory=dict)


def save_checkpoint(
    folder: Path,
    position: Position,
    network: nn.Module,
    config: HypernetworkConfig,
    average: Average,
    optimiser: torch.optim.Optimizer,
    *,
    card: Mapping[str, Any],
) -> None:
    """Write a checkpoint; ``folder`` is whole or not there.

    The averaged weights are a hypernetwork as ``stored.load`` reads it; the rest is beside.
    """
    making = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(making, ignore_errors=True)
    stored.save(making, config, average.weights, card=card)
    parts = {
        "weights": write_part(making, "weights", network.state_dict()),
        "optimiser": write_part(making, "optimiser", optimiser_tensors(optimiser)),
    }
    values = {
        "version": _VERSION,
        "step": position.step,
        "seconds": position.seconds,
        "best": position.best,
        "skipped": position.skipped,
        "sampler": position.sampler,
        "average_updates": average.updates,
        "parts": parts,
    }
    write_atomically(making / _FILE, json.dumps(values, indent=2) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    making.rename(folder)


def restore_checkpoint(
    folder: Path, network: nn.Module, average: Average, optimiser: torch.optim.Optimizer
) -> Position:
    """Put a checkpoint into what will go on, and return where it was.

    Raises:
        CheckpointError: if the checkpoint is damaged or of another network.
    """
    try:
        values = json.loads((folder / _FILE).read_text("utf-8"))
        if values["version"] != _VERSION:
            raise _unusable(folder)
        average.restore(stored.load(folder).state_dict(), values["average_updates"])
        network.load_state_dict(_tensors(folder, "weights", values))
        restore_optimiser(optimiser, _tensors(folder, "optimiser", values))
        return Position(
            values["step"],
            values["seconds"],
            values["best"],
            values["skipped"],
            values["sampler"],
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _unusable(folder) from error


def _tensors(folder: Path, name: str, values: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    entry = values["parts"][name]
    part = Part(name, str(entry["file"]), str(entry["sha256"]), int(entry["bytes"]))
    check_part(folder, part)
    try:
        found: dict[str, torch.Tensor] = load_file(folder / Path(part.file).name)
    except SafetensorError as error:
        raise _unusable(folder) from error
    return found


def _unusable(folder: Path) -> CheckpointError:
    return CheckpointError(
        f"The checkpoint {folder} can't be used: put the name of another one into "
        f"{folder.parent.parent / 'latest'}, or begin in a new run folder."
    )
