"""The folder where converted models are kept: whole or absent, never half.

A model is built in a hidden folder beside its place and renamed when every file is
written, with a manifest that lists each file's size.  A folder without a matching
manifest counts as absent, so a download that was killed is simply done again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from engines.protocol import ModelError

ModelKind = Literal["embedded", "hub", "folder", "gguf"]
Report = Callable[[str, float | None], None]
"""Told a short phrase for people and the share (0..1) that is done, None if unknown.

It is called several times a second while something takes long, and may raise to cancel.
"""

CACHE_VARIABLE = "CL_WORKBENCH_CACHE"
MANIFEST = "manifest.json"
FORMAT = 1  # raise when conversion changes, so that older conversions are made anew
_PARTIAL = ".partial-"
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model on this machine; ``name`` is what ``models path`` and ``remove`` take."""

    name: str
    kind: ModelKind
    path: Path
    bytes: int


def quiet_report(text: str, fraction: float | None = None) -> None:
    """A ``Report`` for callers that show nothing."""


def default_cache() -> Path:
    """Where models are kept: ``CL_WORKBENCH_CACHE`` or the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("cl-workbench") / "models"


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a whole model, or None if ``folder`` is absent, partial or outdated."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        whole = manifest["format"] == FORMAT and all(
            (folder / name).stat().st_size == size for name, size in manifest["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if whole else None


def whole_models(cache: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each whole model folder in ``cache`` with its manifest, sorted by name."""
    if not cache.is_dir():
        return
    for folder in sorted(cache.iterdir()):
        manifest = None if folder.name.startswith(".") else read_manifest(folder)
        if manifest is not None:
            yield folder, manifest


@contextmanager
def locked(cache: Path, name: str, report: Report) -> Iterator[None]:
    """Hold ``name`` against other programs; the system frees it when a holder is killed."""
    with _writing(cache):
        cache.mkdir(parents=True, exist_ok=True)
        stream = (cache / f".lock-{name}").open("ab")
    with stream:
        while not _taken(stream):
            report("waiting for another program that is getting this model", None)
            time.sleep(_POLL_SECONDS)
        yield


def obtain(
    cache: Path,
    name: str,
    source: dict[str, Any],
    fill: Callable[[Path], None],
    report: Report,
) -> Path:
    """The whole model folder ``cache/name``; ``fill`` writes its files if it is not there.

    ``source`` is kept in the manifest.  If ``fill`` or ``report`` raises, nothing is kept.
    """
    with locked(cache, name, report):
        if read_manifest(cache / name) is None:
            with building(cache, name, source) as folder:
                fill(folder)
    return cache / name


@contextmanager
def building(cache: Path, name: str, source: dict[str, Any]) -> Iterator[Path]:
    """Yield a folder to fill; leaving the block without an error puts it at ``cache/name``.

    Call it with ``name`` locked.  What a killed builder left is removed first.
    """
    with _writing(cache):
        for stale in cache.glob(f"{_PARTIAL}{name}.*"):
            shutil.rmtree(stale, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{name}.", dir=cache))
        try:
            yield folder
            _finish(folder, cache / name, source)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def discard(cache: Path, name: str) -> int:
    """Remove the model folder ``name`` and return the bytes that this frees."""
    with locked(cache, name, quiet_report), _writing(cache):
        folder = cache / name
        freed = folder_bytes(folder)
        doomed = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{name}.", dir=cache))
        folder.rename(doomed / name)
        shutil.rmtree(doomed)
    return freed


def folder_bytes(folder: Path) -> int:
    """The size of all files in ``folder``, links followed."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def require_space(cache: Path, needed: int) -> None:
    """Refuse to begin what can't be finished.

    Raises:
        ModelError: if fewer than ``needed`` bytes are free where ``cache`` lies.
    """
    free = shutil.disk_usage(cache).free
    if free < needed:
        raise ModelError(
            f"The model needs {size_text(needed)} in {cache} and {size_text(free)} are free: "
            f"make room there or set {CACHE_VARIABLE} to another folder."
        )


def size_text(size: int) -> str:
    """A size in bytes for people: ``538 MB``, ``3.1 GB``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"


def file_sha256(path: Path) -> str:
    """The SHA-256 sum of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _taken(stream: IO[bytes]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _finish(folder: Path, target: Path, source: dict[str, Any]) -> None:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    manifest = {
        "format": FORMAT,
        **source,
        "files": {file.relative_to(folder).as_posix(): file.stat().st_size for file in files},
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    for file in [*files, folder / MANIFEST]:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    folder.chmod(0o755)
    if target.exists():  # a partial or outdated one, as a whole one is never rebuilt
        target.rename(folder.with_name(f"{folder.name}.old"))
    folder.rename(target)
    shutil.rmtree(folder.with_name(f"{folder.name}.old"), ignore_errors=True)


@contextmanager
def _writing(cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"Can't write to the model cache {cache} ({error.strerror or error}): make it "
            f"writable, make room, or set {CACHE_VARIABLE} to another folder."
        ) from error
