"""The saved states in a folder: what they hold, how two differ, renaming and deleting.

Only manifests and the names and sizes of files are read, so nothing here needs torch.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.atomic import checked_name, write_failure
from engines.checkpoint_parts import Part, check_part, damaged
from engines.checkpoints import FORMAT, MANIFEST, is_ours, parts_of, read_manifest
from engines.locks import BusyError, locked
from engines.protocol import CheckpointError


@dataclass(frozen=True, slots=True)
class Saved:
    """One saved state; ``bytes`` is its size on disk.

    ``fault`` is one sentence where it can't be used; then the rest may be empty.
    """

    name: str
    bytes: int
    saved_at: str | None = None
    engine: str | None = None
    model: str | None = None
    fingerprint: str | None = None
    alpha: float | None = None
    documents: int = 0
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class SavedDocument:
    """One document of a saved state; losses are mean nats per token, ``bytes`` is on disk."""

    id: str
    title: str
    tokens: int | None
    loss_before: float | None
    loss_after: float | None
    held_out_loss_before: float | None
    held_out_loss_after: float | None
    objective: str | None
    learned_at: str | None
    muted: bool
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Details:
    """All that a saved state says of itself; a document's bytes are those of its part."""

    saved: Saved
    documents: tuple[SavedDocument, ...] = ()
    settings: Mapping[str, Any] | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two saved states differ; ``settings`` are key, value in a, value in b."""

    a: Saved
    b: Saved
    same_model: bool
    both: tuple[tuple[SavedDocument, SavedDocument], ...]
    only_a: tuple[SavedDocument, ...]
    only_b: tuple[SavedDocument, ...]
    settings: tuple[tuple[str, Any, Any], ...]


@dataclass(frozen=True, slots=True)
class Deleted:
    """What deleting has freed, and the files that stayed because they are not ours."""

    bytes: int
    left: tuple[str, ...] = ()


def listing(root: Path) -> list[Saved]:
    """The saved states in ``root``, the newest first and those with a fault last.

    Raises:
        CheckpointError: if ``root`` can't be read; a missing one is empty.
    """
    try:
        folders = sorted(path for path in root.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(f"Can't list {root}: {error.strerror}.") from error
    found = [details(folder).saved for folder in folders if _looks_saved(folder)]
    newest_first = sorted(found, key=lambda saved: saved.saved_at or "", reverse=True)
    return sorted(newest_first, key=lambda saved: saved.fault is not None)


def details(folder: Path, *, verify: bool = False) -> Details:
    """What ``folder`` holds; a damaged one is told of in ``saved.fault``.

    ``verify`` reads every tensor file to its end; else its size is looked at.  While another
    process saves into ``folder``, what was saved there before is told of.
    """
    with contextlib.ExitStack() as held:
        busy = False
        try:
            held.enter_context(locked(folder, shared=True, seconds=0))
        except BusyError:
            busy = True
        except OSError:  # what reads the manifest tells of a folder that can't be opened
            pass
        return _details(folder, busy=busy, verify=verify)


def _details(folder: Path, *, busy: bool, verify: bool) -> Details:
    size = sum(_size(path) for path in _our_files(folder))
    try:
        manifest = read_manifest(folder)
        parts = parts_of(folder, manifest)
        for part in parts:
            _check(folder, part, verify=verify)
        rows = manifest.get("documents") or []
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise damaged(folder)
    except CheckpointError as error:
        return Details(Saved(folder.name, size, fault=_fault(folder, error, busy=busy)))
    sizes = {part.name: part.bytes for part in parts}
    documents = tuple(_document(row, sizes) for row in rows)
    settings = manifest.get("settings")
    return Details(
        _saved(folder, manifest, size, len(documents)),
        documents,
        settings if isinstance(settings, dict) else {},
        parts,
    )


def compare(a: Path, b: Path) -> Comparison:
    """How the saved states in the folders ``a`` and ``b`` differ.

    Raises:
        CheckpointError: if one of them can't be read.
    """
    first, second = _sound(a), _sound(b)
    in_a = {document.id: document for document in first.documents}
    in_b = {document.id: document for document in second.documents}
    return Comparison(
        first.saved,
        second.saved,
        first.saved.fingerprint == second.saved.fingerprint,
        tuple((in_a[id_], in_b[id_]) for id_ in in_a if id_ in in_b),
        tuple(document for id_, document in in_a.items() if id_ not in in_b),
        tuple(document for id_, document in in_b.items() if id_ not in in_a),
        tuple(_differences(first.settings or {}, second.settings or {})),
    )


def rename(root: Path, old: str, new: str) -> None:
    """Give the saved state ``old`` in ``root`` the name ``new``, in one step.

    Raises:
        CheckpointError: if there is none of that name, or the new name is taken.
        EngineError: if a name could leave ``root``.
    """
    source = root / checked_name(old, "checkpoint name")
    target = root / checked_name(new, "checkpoint name")
    _refuse_foreign(source)
    if target.exists() or target.is_symlink():
        raise CheckpointError(
            f"There is something named '{new}' in {root} already: choose another name, or delete "
            f"it with `cl-workbench checkpoints delete {new}`."
        )
    try:
        with locked(source):
            source.rename(target)
    except OSError as error:
        raise CheckpointError(write_failure(target, error)) from error


def delete(folder: Path) -> Deleted:
    """Remove the saved state in ``folder``: only files that were written here.

    The manifest goes first, so that half a saved state is never taken for one.

    Raises:
        CheckpointError: if there is none, or the folder belongs to something else, or is
            a symbolic link.
    """
    if folder.is_symlink():
        raise CheckpointError(
            f"{folder} is a symbolic link and stays as it is: remove the link itself, or delete "
            "the folder that it leads to."
        )
    _refuse_foreign(folder)
    try:
        with locked(folder) as descriptor:
            files = [path for path in _our_files(folder) if path.name != MANIFEST]
            freed = sum(_size(path) for path in (*files, folder / MANIFEST))
            (folder / MANIFEST).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not every file system can
                os.fsync(descriptor)
            for path in files:
                path.unlink()
            left = tuple(sorted(path.name for path in folder.iterdir()))
            if not left:
                folder.rmdir()
    except OSError as error:
        raise CheckpointError(f"Can't delete {folder}: {error.strerror}.") from error
    return Deleted(freed, left)


def _looks_saved(folder: Path) -> bool:
    try:
        return any(is_ours(path.name) for path in folder.iterdir())
    except OSError:
        return True  # what can't be looked into is told of


def _our_files(folder: Path) -> Iterator[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    yield from (path for path in paths if is_ours(path.name) and not path.is_dir())


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _check(folder: Path, part: Part, *, verify: bool) -> None:
    if verify:
        check_part(folder, part)
    elif _size(folder / part.file) != part.bytes:
        raise damaged(folder, part)


def _fault(folder: Path, error: CheckpointError, *, busy: bool) -> str:
    if busy:
        return f"'{folder.name}' is being written now: look again when that is done."
    names = {path.name for path in _our_files(folder)}
    if not names or MANIFEST in names:
        return str(error)
    return (
        f"Saving or deleting '{folder.name}' was cut short: clear it away with "
        f"`cl-workbench checkpoints delete {folder.name}`."
    )


def _saved(folder: Path, manifest: Mapping[str, Any], size: int, documents: int) -> Saved:
    return Saved(
        folder.name,
        size,
        _text(manifest, "saved_at"),
        _text(manifest, "engine"),
        _text(manifest, "model"),
        _text(manifest, "fingerprint"),
        _number(manifest, "alpha"),
        documents,
    )


def _document(row: Mapping[str, Any], sizes: Mapping[str, int]) -> SavedDocument:
    """One document of a manifest; what is missing or of a wrong type is None."""
    id_ = _text(row, "id") or "?"
    tokens = _number(row, "tokens")
    return SavedDocument(
        id_,
        _text(row, "title") or id_,
        None if tokens is None else int(tokens),
        _number(row, "loss_before"),
        _number(row, "loss_after"),
        _number(row, "held_out_loss_before"),
        _number(row, "held_out_loss_after"),
        _text(row, "objective"),
        _text(row, "learned_at"),
        row.get("muted") is True,
        sizes.get(id_),
    )


def _text(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) else None


def _number(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # a whole number beyond every float
        return None


def _sound(folder: Path) -> Details:
    found = details(folder)
    if found.saved.fault:
        raise CheckpointError(found.saved.fault)
    return found


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in sorted({*a, *b}):
        if a.get(key) != b.get(key):
            yield key, a.get(key), b.get(key)


def _refuse_foreign(folder: Path) -> None:
    """Only a folder with a manifest of ours, or with nothing but files of ours, is touched."""
    try:
        ours = _written_here(folder)
    except OSError as error:
        raise CheckpointError(
            f"{folder} can't be looked into ({error.strerror}): allow it, and try again."
        ) from error
    if not ours:
        raise CheckpointError(f"{folder} was not written by cl-workbench and stays as it is.")


def _written_here(folder: Path) -> bool:
    if not folder.is_dir():
        read_manifest(folder)  # says that there is none
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        names = {path.name for path in folder.iterdir()}
        return bool(names) and all(is_ours(name) for name in names)
    return isinstance(manifest, dict) and manifest.get("format") == FORMAT
