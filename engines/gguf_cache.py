"""Converted GGUF files in the model cache, found again by path or by content."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from engines import model_store
from engines.model_store import Report
from engines.protocol import ModelError


def converted(path: Path, cache: Path) -> Path | None:
    """The folder of what ``path`` was converted to, or None if that has yet to be done.

    A file that has not changed since is known by its path, size and time; one of the
    same size that was moved or copied is known by its SHA-256 sum.
    """
    if not path.is_file():
        return None
    origin = _origin(path)
    same_size = [
        (folder, manifest)
        for folder, manifest in model_store.whole_models(cache)
        if manifest["kind"] == "gguf" and manifest["origin"]["bytes"] == origin["bytes"]
    ]
    for folder, manifest in same_size:
        if manifest["origin"] == origin:
            return folder
    found = model_store.file_sha256(path) if same_size else None
    return next((folder for folder, m in same_size if m["sha256"] == found), None)


def convert(path: Path, cache: Path, report: Report) -> Path:
    """Convert ``path`` into the cache, unless another program has just done so.

    Raises:
        ModelError: if the file is absent, broken, unsupported, or too large for the disk.
    """
    from engines import gguf_files

    gguf_files.check_magic(path)
    report(f"checking {path.name}", None)
    total = model_store.file_sha256(path)
    source = {"kind": "gguf", "name": path.stem, "sha256": total, "origin": _origin(path)}

    def fill(folder: Path) -> None:
        model_store.require_space(cache, gguf_files.converted_bytes(path))
        gguf_files.convert(path, folder, report)

    return model_store.obtain(cache, f"{_plain(path.stem)}-{total[:12]}", source, fill, report)


def _origin(path: Path) -> dict[str, Any]:
    try:
        facts = path.stat()
    except OSError as error:
        raise ModelError(f"Can't read {path} ({error.strerror}): check model.name.") from error
    return {"path": str(path), "bytes": facts.st_size, "modified_ns": facts.st_mtime_ns}


def _plain(stem: str) -> str:
    """A file's stem as the start of a folder name that people can type."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-")[:48] or "model"
