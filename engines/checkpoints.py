"""Learned state on disk: a folder with a JSON manifest and one safetensors file per part.

A part is a document, or what belongs to all of them.  Its file is named by its content and
written first, where it isn't there already, so saving a tenth document rewrites none of
the nine.  The manifest that names the parts replaces the old one in a single rename.
Whenever the power fails, the folder holds the old state or the new one, whole.

Nothing here imports torch before tensors are written or read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.atomic import checked_name, write_atomically
from engines.locks import locked
from engines.protocol import CheckpointError, EngineError

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

FORMAT = "cl-workbench checkpoint"
VERSION = 2
MANIFEST = "manifest.json"

_PART_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*-[0-9a-f]{16}\.safetensors")
_LEFTOVER = re.compile(r"\.[0-9a-f]{16}\.tmp")  # what a writer that died has left
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Part:
    """One tensor file as the manifest names it; ``sha256`` and ``bytes`` are of the file."""

    name: str
    file: str
    sha256: str
    bytes: int


def write(
    folder: Path, manifest: Mapping[str, Any], parts: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Save ``parts`` (tensors by name, by part) and ``manifest`` into ``folder``.

    A part's name is like a file's: letters, digits, ``.``, ``_`` and ``-``.  ``format``,
    ``version`` and ``parts`` of the manifest are written here.

    Raises:
        CheckpointError: if the folder can't be written; what was there stays.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            _refuse_another_programs(folder)
            try:
                written = {name: _write_part(folder, name, parts[name]) for name in parts}
                whole = {"format": FORMAT, "version": VERSION, **manifest, "parts": written}
                text = json.dumps(whole, indent=2, ensure_ascii=False)
                write_atomically(folder / MANIFEST, text.encode("utf-8", "backslashreplace"))
            finally:
                _sweep(folder)
    except CheckpointError:
        raise
    except EngineError as error:
        raise CheckpointError(str(error)) from error
    except OSError as error:
        raise CheckpointError(f"Can't save into {folder}: {error.strerror}.") from error


def _write_part(folder: Path, name: str, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    from safetensors.torch import save

    data = save({key: t.detach().cpu().contiguous() for key, t in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    file = f"{checked_name(name, 'part of a checkpoint')}-{digest[:16]}.safetensors"
    if not _holds(folder / file, data):
        write_atomically(folder / file, data)
    return {"file": file, "sha256": digest, "bytes": len(data)}


def _holds(path: Path, data: bytes) -> bool:
    """Whether ``path`` is whole: one that went bad on the disk has to be written again."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _refuse_another_programs(folder: Path) -> None:
    """Keep a ``manifest.json`` of something else; one that can't be read may be replaced."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise CheckpointError(
            f"{folder / MANIFEST} was not written by cl-workbench: choose another name."
        )


def _sweep(folder: Path) -> None:
    """Remove what the manifest in force doesn't name; failing here fails no saving."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        named = {Path(str(part["file"])).name for part in manifest["parts"].values()}
    except FileNotFoundError:
        named = set()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # not to be understood, so nothing in the folder is known to be in vain
    for path in folder.iterdir():
        if path.name not in named and path.name != MANIFEST and is_ours(path.name):
            try:
                path.unlink()
            except OSError as error:
                log.warning("%s is no longer needed and can't be removed: %s", path, error)


def is_ours(name: str) -> bool:
    """Whether a file of this name in a checkpoint's folder is one that is written here."""
    return name == MANIFEST or bool(_PART_FILE.fullmatch(name) or _LEFTOVER.fullmatch(name))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of ``folder``.

    Raises:
        CheckpointError: if there is none, or it is not one of ours or of another version.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(
            f"There is no checkpoint '{folder.name}' in {folder.parent}: save one with --save."
        ) from error
    except PermissionError as error:
        raise CheckpointError(
            f"The checkpoint '{folder.name}' may not be read: allow it for {folder}."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"The checkpoint '{folder.name}' has a damaged manifest: save it anew."
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise CheckpointError(f"{folder / MANIFEST} was not written by cl-workbench.")
    _check_version(folder, manifest.get("version"))
    return manifest


def _check_version(folder: Path, version: object) -> None:
    if version == VERSION:
        return
    if isinstance(version, int) and version > VERSION:
        raise CheckpointError(
            f"The checkpoint '{folder.name}' has format version {version}, and "
            f"this cl-workbench reads version {VERSION}: update it with `git pull` or pip."
        )
    if version == 1:
        raise CheckpointError(
            f"The checkpoint '{folder.name}' is of an older form that is no longer read: "
            "learn its documents again and save."
        )
    raise damaged(folder)


def parts_of(folder: Path, manifest: Mapping[str, Any]) -> tuple[Part, ...]:
    """The parts that ``manifest`` names, in its order.

    Raises:
        CheckpointError: if an entry is malformed or names a file that is not ours.
    """
    try:
        parts = [
            Part(name, entry["file"], entry["sha256"], entry["bytes"])
            for name, entry in manifest["parts"].items()
        ]
        if all(_is_sound(part) for part in parts):
            return tuple(parts)
    except (KeyError, TypeError, AttributeError) as error:
        raise damaged(folder) from error
    raise damaged(folder)


def _is_sound(part: Part) -> bool:
    # The name of a file is all that is allowed: no part of a path leaves the folder.
    return (
        _PART_FILE.fullmatch(part.file) is not None
        and _DIGEST.fullmatch(part.sha256) is not None
        and isinstance(part.bytes, int)
    )


def content_of(folder: Path, part: Part) -> bytes:
    """The bytes of a part's file, checked against the manifest.

    Raises:
        CheckpointError: if the file is missing or not the one that was written.
    """
    path = folder / part.file
    try:
        if path.stat().st_size == part.bytes:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == part.sha256:
                return data
    except OSError as error:
        raise damaged(folder, part) from error
    raise damaged(folder, part)


def read(
    folder: Path, *, engine: str, model: str, fingerprint: str
) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Manifest and tensors (by part, by name) of ``folder``, checked against what is loaded.

    Raises:
        CheckpointError: another engine, another base model, or damaged files.
    """
    with contextlib.ExitStack() as held:
        # A folder that can't be opened is told of by what reads the manifest.
        with contextlib.suppress(OSError):
            held.enter_context(locked(folder, shared=True))
        manifest = read_manifest(folder)
        if manifest.get("engine") != engine:
            raise CheckpointError(
                f"The checkpoint '{folder.name}' belongs to the engine "
                f"'{manifest.get('engine')}', not to '{engine}': choose it with --engine."
            )
        if manifest.get("fingerprint") != fingerprint:
            raise CheckpointError(
                f"The checkpoint '{folder.name}' was made on {manifest.get('model')}, and {model} "
                "is loaded, whose weights differ: load that model (model.name) first."
            )
        return manifest, {part.name: _load(folder, part) for part in parts_of(folder, manifest)}


def _load(folder: Path, part: Part) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    data = content_of(folder, part)
    try:
        tensors: dict[str, Tensor] = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise damaged(folder, part) from error
    return tensors


def damaged(folder: Path, part: Part | None = None) -> CheckpointError:
    """What is said of files that are not as they were written."""
    where = f" in its part '{part.name}'" if part else ""
    return CheckpointError(
        f"The checkpoint '{folder.name}' is damaged{where}: learn its documents again and save."
    )
