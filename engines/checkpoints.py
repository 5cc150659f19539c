"""Learned state on disk: a folder with one safetensors file and a JSON manifest.

The tensor file is named by its content and written first; the manifest that points to
it replaces the old one in a single rename.  Whenever the power fails, the folder holds
the old state or the new one, whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from engines.atomic import write_atomically
from engines.protocol import CheckpointError, EngineError

FORMAT = "cl-workbench checkpoint"
VERSION = 1
MANIFEST = "manifest.json"


def write(folder: Path, manifest: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Save ``tensors`` and ``manifest`` into ``folder``.

    Raises:
        CheckpointError: if the folder can't be written; what was there stays.
    """
    from safetensors.torch import save

    data = save({name: t.detach().cpu().contiguous() for name, t in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    name = f"state-{digest[:16]}.safetensors"
    whole = {"format": FORMAT, "version": VERSION, "file": name, "sha256": digest, **manifest}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, data)
        write_atomically(folder / MANIFEST, json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
        for old in folder.glob("state-*.safetensors"):
            if old.name != name:
                old.unlink()
    except EngineError as error:
        raise CheckpointError(str(error)) from error
    except OSError as error:
        raise CheckpointError(f"Can't save into {folder}: {error.strerror}.") from error


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of ``folder``.

    Raises:
        CheckpointError: if there is none, or it is not one of ours or of a newer version.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"There is no checkpoint '{folder.name}' in {folder.parent}: save one with --save."
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"The checkpoint '{folder.name}' has a damaged manifest: save it anew."
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise CheckpointError(f"{folder / MANIFEST} was not written by cl-workbench.")
    if manifest.get("version") != VERSION:
        raise CheckpointError(
            f"The checkpoint '{folder.name}' has format version {manifest.get('version')}, and "
            f"this cl-workbench reads version {VERSION}: update it with `git pull` or pip."
        )
    return manifest


def read(
    folder: Path, *, engine: str, model: str, fingerprint: str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Manifest and tensors of ``folder``, checked against what is loaded.

    Raises:
        CheckpointError: another engine, another base model, or damaged files.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    manifest = read_manifest(folder)
    if manifest.get("engine") != engine:
        raise CheckpointError(
            f"The checkpoint '{folder.name}' belongs to the engine '{manifest.get('engine')}', "
            f"not to '{engine}': choose it with --engine."
        )
    if manifest.get("fingerprint") != fingerprint:
        raise CheckpointError(
            f"The checkpoint '{folder.name}' was made on {manifest.get('model')}, and {model} is "
            "loaded, whose weights differ: load that model (model.name) first."
        )
    damaged = f"The checkpoint '{folder.name}' is damaged: learn its documents again and save."
    try:
        data = (folder / Path(str(manifest.get("file"))).name).read_bytes()
        if hashlib.sha256(data).hexdigest() != manifest.get("sha256"):
            raise CheckpointError(damaged)
        return manifest, load(data)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(damaged) from error
