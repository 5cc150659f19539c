"""The tensor files of a checkpoint: each named by its content, checked when it is read.

Nothing here imports torch before tensors are written or read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.atomic import checked_name, link_atomically, write_atomically
from engines.protocol import CheckpointError, EngineError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Part:
    """One tensor file as the manifest names it; ``sha256`` and ``bytes`` are of the file."""

    name: str
    file: str
    sha256: str
    bytes: int


def write_part(folder: Path, name: str, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Write tensors into a file of ``folder`` unless it is there; returns the manifest's entry."""
    from safetensors.torch import save

    data = save({key: t.detach().cpu().contiguous() for key, t in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    file = _file_name(name, digest)
    if not _holds(folder / file, data):
        write_atomically(folder / file, data)
    return {"file": file, "sha256": digest, "bytes": len(data)}


def take_file(folder: Path, name: str, source: Path) -> dict[str, Any]:
    """Link the ready file ``source`` into ``folder``; returns the manifest's entry."""
    digest = _digest_of(source)
    part = Part(name, _file_name(name, digest), digest, source.stat().st_size)
    if not (_is_linked(source, folder / part.file) or _is_whole(folder, part)):
        link_atomically(source, folder / part.file)
    return {"file": part.file, "sha256": digest, "bytes": part.bytes}


def _is_linked(source: Path, path: Path) -> bool:
    return path.exists() and path.samefile(source)


def _file_name(name: str, digest: str) -> str:
    return f"{checked_name(name, 'part of a checkpoint')}-{digest[:16]}.safetensors"


def _digest_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_whole(folder: Path, part: Part) -> bool:
    """Whether the part's file is there as the manifest says; it is read in pieces."""
    path = folder / part.file
    try:
        return path.stat().st_size == part.bytes and _digest_of(path) == part.sha256
    except OSError:
        return False


def _holds(path: Path, data: bytes) -> bool:
    """Whether ``path`` is whole: one that went bad on the disk has to be written again."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


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


def load_part(folder: Path, part: Part) -> dict[str, Tensor]:
    """The tensors of a part, by name.

    Raises:
        CheckpointError: if its file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    data = content_of(folder, part)
    try:
        tensors: dict[str, Tensor] = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise damaged(folder, part) from error
    return tensors


def check_part(folder: Path, part: Part) -> None:
    """Compare a part's file with the manifest, in pieces.

    Raises:
        CheckpointError: if the file is missing or not the one that was written.
    """
    if not _is_whole(folder, part):
        raise damaged(folder, part)


def hand_out(folder: Path, part: Part, into: Path) -> Path:
    """Link a part's file, once checked, into another folder; returns its path there.

    Raises:
        CheckpointError: if the file is missing or damaged, or ``into`` can't be written.
    """
    check_part(folder, part)
    try:
        link_atomically(folder / part.file, into / part.file)
    except EngineError as error:
        raise CheckpointError(str(error)) from error
    return into / part.file


def damaged(folder: Path, part: Part | None = None) -> CheckpointError:
    """What is said of files that are not as they were written."""
    where = f" in its part '{part.name}'" if part else ""
    return CheckpointError(
        f"The checkpoint '{folder.name}' is damaged{where}: learn its documents again and save."
    )
