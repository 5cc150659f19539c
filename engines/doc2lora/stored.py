"""A hypernetwork on the disk: one safetensors file and one JSON file that names it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engines.atomic import write_atomically
from engines.checkpoint_parts import Part, check_part, damaged, write_part
from engines.doc2lora.config import HypernetworkConfig
from engines.doc2lora.hypernetwork import Hypernetwork
from engines.doc2lora.published_names import check_finite, listed
from engines.protocol import CheckpointError

FILE = "hypernetwork.json"
FORMAT = "cl-workbench hypernetwork"
VERSION = 1
_PART = "hypernetwork"


def save(
    folder: Path,
    config: HypernetworkConfig,
    weights: Mapping[str, Tensor],
    *,
    dtype: torch.dtype | None = None,
    card: Mapping[str, Any] | None = None,
) -> None:
    """Write a hypernetwork into ``folder``, in place of the one that was there.

    Args:
        weights: ``Hypernetwork.state_dict()``, or an average of several.
        dtype: cast to this type first, such as ``torch.bfloat16``; None keeps each one's.
        card: plain values on where the weights are from.

    A kill at any moment leaves the old hypernetwork or the new one.

    Raises:
        CheckpointError: if a weight is not finite.
        EngineError: if the folder can't be written.
    """
    check_finite(weights)
    kept = {name: t if dtype is None else t.to(dtype) for name, t in weights.items()}
    entry = write_part(folder, _PART, kept)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "config": config.checked().to_json(),
        "weights": entry,
        "card": dict(card or {}),
    }
    write_atomically(folder / FILE, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    for old in folder.glob(f"{_PART}-*.safetensors"):
        if old.name != entry["file"]:
            old.unlink(missing_ok=True)


def load(folder: Path, *, device: str = "cpu", dtype: torch.dtype | None = None) -> Hypernetwork:
    """The hypernetwork in ``folder``, in evaluation mode; ``dtype`` None means float32.

    Raises:
        CheckpointError: if there is none, it is damaged, or it is of a newer version.
    """
    manifest = read_manifest(folder)
    config = HypernetworkConfig.from_json(manifest["config"])
    weights = _weights(folder, manifest["weights"])
    network = _built(config, weights, folder)
    return network.to(device, dtype or torch.float32).eval()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The JSON file of a stored hypernetwork: ``config``, ``weights`` and ``card``.

    Raises:
        CheckpointError: if there is none or it can't be used.
    """
    path = folder / FILE
    try:
        manifest = json.loads(path.read_text("utf-8"))
        if manifest["format"] != FORMAT:
            raise damaged(folder)
        version, config, weights = manifest["version"], manifest["config"], manifest["weights"]
    except FileNotFoundError as error:
        raise CheckpointError(
            f"There is no hypernetwork in {folder}: give a folder with a {FILE} in it."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _broken(folder) from error
    if version != VERSION:
        raise CheckpointError(
            f"The hypernetwork in {folder} has format version {version}, this program reads "
            f"{VERSION}: update cl-workbench."
        )
    if not (isinstance(config, dict) and isinstance(weights, dict)):
        raise _broken(folder)
    return {"config": config, "weights": weights, "card": manifest.get("card") or {}}


def check_base(config: HypernetworkConfig, model: Any, *, name: str, fingerprint: str) -> None:
    """Refuse a hypernetwork that was trained for another base model.

    Weights tell where both fingerprints are known; otherwise names do, less the folder or
    owner before them.

    Raises:
        CheckpointError: with both names.
    """
    if config.base_fingerprint is not None:
        same = config.base_fingerprint == fingerprint
    else:
        same = last_part(config.base_model) == last_part(name)
    if not same:
        raise CheckpointError(
            f"This hypernetwork was trained for {config.base_model}, and {name} is loaded: load "
            f"{config.base_model} (model.name), or choose a hypernetwork for {name}."
        )
    found = (
        model.config.num_hidden_layers,
        model.config.hidden_size,
        model.config.intermediate_size,
    )
    if found != (config.layers, config.d_out, config.d_in):
        raise CheckpointError(
            f"This hypernetwork for {config.base_model} expects {config.layers} layers of width "
            f"{config.d_out} with {config.d_in} neurons, and {name} has {found[0]} of width "
            f"{found[1]} with {found[2]}: choose another hypernetwork."
        )


def last_part(name: str) -> str:
    """A model's name without the folder or owner before it, in small letters."""
    return name.rstrip("/\\").replace("\\", "/").rpartition("/")[2].lower()


def _weights(folder: Path, entry: Mapping[str, Any]) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        part = Part(_PART, str(entry["file"]), str(entry["sha256"]), int(entry["bytes"]))
        if Path(part.file).name != part.file:
            raise _broken(folder)
        check_part(folder, part)
        found: dict[str, Tensor] = load_file(folder / part.file)
    except (KeyError, ValueError, TypeError, OSError, SafetensorError, CheckpointError) as error:
        raise _broken(folder) from error
    return found


def _built(config: HypernetworkConfig, weights: dict[str, Tensor], folder: Path) -> Hypernetwork:
    with torch.device("meta"):
        network = Hypernetwork(config)
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        own = network.state_dict()
        faults = [
            listed("lack", [name for name in own if name not in weights]),
            listed("have the unknown", [name for name in weights if name not in own]),
        ]
        told = f" (they {'; they '.join(f for f in faults if f)})" if any(faults) else ""
        raise CheckpointError(
            f"The weights in {folder} don't fit the configuration beside them{told}: train or "
            "convert the hypernetwork again."
        ) from error
    check_finite(weights)
    return network


def _broken(folder: Path) -> CheckpointError:
    return CheckpointError(
        f"The hypernetwork in {folder} is damaged: fetch, convert or train it again."
    )
