"""Learned state on disk: a folder with a JSON manifest and one safetensors file per part.

A part is a document, or what belongs to all of them.  Its file is named by its content and
written first, where it isn't there already, so saving a tenth document rewrites none of
the nine.  The manifest that names the parts replaces the old one in a single rename.
Whenever the power fails, the folder holds the old state or the new one, whole.

A part can also be a tensor file that is ready and too large for memory: it is taken in and
given back by a link, and never read but in pieces.

Nothing here imports torch before tensors are written or read.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.atomic import write_atomically
from engines.checkpoint_parts import (
    Part,
    damaged,
    hand_out,
    load_part,
    take_file,
    write_part,
)
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


def write(
    folder: Path,
    manifest: Mapping[str, Any],
    parts: Mapping[str, Mapping[str, Tensor]],
    files: Mapping[str, Path] | None = None,
) -> None:
    """Save ``parts`` (tensors by name, by part) and ``manifest`` into ``folder``.

    A part's name is like a file's: letters, digits, ``.``, ``_`` and ``-``.  ``format``,
    ``version`` and ``parts`` of the manifest are written here.  ``files`` are further
    parts, as safetensors files that nobody writes to any more: they are linked, or copied
    where that can't be.

    Raises:
        CheckpointError: if the folder can't be written; what was there stays.
        ValueError: if a part is given both ways.
    """
    files = files or {}
    if both := parts.keys() & files.keys():
        raise ValueError(f"Parts are given twice: {', '.join(sorted(both))}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            _refuse_another_programs(folder)
            try:
                written = {name: write_part(folder, name, parts[name]) for name in parts}
                written |= {name: take_file(folder, name, files[name]) for name in files}
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


def read(
    folder: Path, *, engine: str, model: str, fingerprint: str
) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Manifest and tensors (by part, by name) of ``folder``, checked against what is loaded.

    Raises:
        CheckpointError: another engine, another base model, or damaged files.
    """
    with _reading(folder):
        manifest = _manifest_for(folder, engine, model, fingerprint)
        return manifest, {part.name: load_part(folder, part) for part in parts_of(folder, manifest)}


def read_with_files(
    folder: Path,
    *,
    engine: str,
    model: str,
    fingerprint: str,
    as_files: Callable[[str], bool],
    into: Path,
) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]], dict[str, Path]]:
    """As ``read``, but parts whose name ``as_files`` holds for come as files in ``into``.

    They are checked, and linked (or copied) into that folder while the checkpoint is held,
    so that saving over it later takes nothing away.

    Raises:
        CheckpointError: as ``read``, or if ``into`` can't be written.
    """
    with _reading(folder):
        manifest = _manifest_for(folder, engine, model, fingerprint)
        parts = parts_of(folder, manifest)
        kept = [part for part in parts if as_files(part.name)]
        tensors = {part.name: load_part(folder, part) for part in parts if part not in kept}
        return manifest, tensors, {part.name: hand_out(folder, part, into) for part in kept}


def _reading(folder: Path) -> contextlib.ExitStack:
    held = contextlib.ExitStack()
    # A folder that can't be opened is told of by what reads the manifest.
    with contextlib.suppress(OSError):
        held.enter_context(locked(folder, shared=True))
    return held


def _manifest_for(folder: Path, engine: str, model: str, fingerprint: str) -> dict[str, Any]:
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
    return manifest
