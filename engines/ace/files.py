"""Playbooks on disk: one readable JSON file each, with all revisions.

``bullets`` in the file is the present playbook, for people to read; the revisions are what
counts, and a file in which the two differ is damaged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from engines.ace.bullet import now
from engines.ace.playbook import PlaybookError
from engines.ace.review import pending
from engines.ace.revisions import History
from engines.ace.rows import bullet_row, history_of, revision_row
from engines.atomic import checked_name, write_atomically, write_failure
from engines.locks import locked

FORMAT = "cl-workbench playbook"
VERSION = 1
SUFFIX = ".json"
MAX_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class SavedPlaybook:
    """One file in the folder; ``fault`` is one sentence where it can't be used."""

    name: str
    bytes: int
    saved_at: str | None = None
    bullets: int = 0
    revisions: int = 0
    pending: int = 0
    fault: str | None = None


def path_of(folder: Path, name: str) -> Path:
    """Where the playbook ``name`` lies.  Raises ``EngineError`` if it is no plain name."""
    return folder / f"{checked_name(name, 'playbook name')}{SUFFIX}"


def save(folder: Path, name: str, history: History, *, overwrite: bool = False) -> Path:
    """Write ``history`` under ``name`` into ``folder``; the file is the old one or the new one.

    Raises:
        PlaybookError: if the file has revisions that ``history`` does not have, because another
            program saved it meanwhile or it is another playbook, unless ``overwrite``.
        EngineError: if it can't be written, or the name is no plain name.
    """
    path = path_of(folder, name)
    rows = [revision_row(revision) for revision in history.revisions]
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "saved_at": now(),
        "bullets": [bullet_row(bullet) for bullet in history.playbook.bullets],
        "revisions": rows,
    }
    data = (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode("utf-8")
    if len(data) > MAX_BYTES:
        raise PlaybookError(
            f"The playbook '{name}' has {len(data) / 1e6:.0f} MB with its revisions, more than "
            f"{MAX_BYTES / 1e6:.0f}: export it, and import that into a new playbook."
        )
    with _changing(folder):
        if not overwrite:
            _refuse_loss(path, name, rows)
        write_atomically(path, data)
    return path


def load(folder: Path, name: str) -> History:
    """The history saved under ``name``.

    Raises:
        PlaybookError: if there is none, it is damaged, or a newer version wrote it.
        EngineError: if the name is no plain name.
    """
    path = path_of(folder, name)
    return _history(path, name, _manifest(path, name))


def listing(folder: Path) -> list[SavedPlaybook]:
    """The playbooks in ``folder`` by name; a missing folder is empty.

    Raises:
        PlaybookError: if the folder can't be read.
    """
    try:
        paths = sorted(p for p in folder.iterdir() if p.suffix == SUFFIX and p.name[0] != ".")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PlaybookError(f"Can't list {folder}: {error.strerror}.") from error
    return [_described(path) for path in paths]


def rename(folder: Path, old: str, new: str) -> None:
    """Give the playbook ``old`` the name ``new``.

    Raises:
        PlaybookError: if there is none of that name, or the new name is taken.
        EngineError: if a name is no plain name.
    """
    source, target = path_of(folder, old), path_of(folder, new)
    with _changing(folder):
        _refuse_missing(source, old)
        if target.exists() or target.is_symlink():
            raise PlaybookError(f"There is a playbook '{new}' already: choose another name.")
        try:
            source.rename(target)
        except OSError as error:
            raise PlaybookError(write_failure(target, error)) from error


def delete(folder: Path, name: str) -> int:
    """Remove the playbook ``name``; returns how many bytes that freed.

    Raises:
        PlaybookError: if there is none, or the file is no playbook of ours.
        EngineError: if the name is no plain name.
    """
    path = path_of(folder, name)
    with _changing(folder):
        _refuse_missing(path, name)
        if not _is_ours(path):
            raise PlaybookError(f"{path} is not a playbook of cl-workbench and stays as it is.")
        try:
            size = path.stat().st_size
            path.unlink()
        except OSError as error:
            raise PlaybookError(f"Can't delete {path}: {error.strerror}.") from error
    return size


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    """Keep other writers out of ``folder``, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PlaybookError(write_failure(folder, error)) from error
    with locked(folder):
        yield


def _refuse_missing(path: Path, name: str) -> None:
    try:
        there = path.is_file()
    except OSError as error:
        raise PlaybookError(f"Can't read {path}: {error.strerror}.") from error
    if not there:
        raise PlaybookError(
            f"There is no playbook '{name}': `cl-workbench playbook list` shows what there is."
        )


def _refuse_loss(path: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """Saving over a file may add revisions, and scores to them, but never lose one."""
    if not path.exists():
        return
    there = _manifest(path, name).get("revisions")
    if not isinstance(there, list):
        raise _damaged(path, name)
    if len(there) > len(rows) or any(
        _unscored(a) != _unscored(b) for a, b in zip(there, rows, strict=False)
    ):
        raise PlaybookError(
            f"The playbook '{name}' on disk has changes that this one has not: save under another "
            "name, or load it again."
        )


def _unscored(row: Any) -> Any:
    return {k: v for k, v in row.items() if k != "score"} if isinstance(row, dict) else row


def _manifest(path: Path, name: str) -> dict[str, Any]:
    _refuse_missing(path, name)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PlaybookError(
                f"The playbook '{name}' is larger than {MAX_BYTES / 1e6:.0f} MB and was not read."
            )
        manifest = json.loads(path.read_bytes().decode("utf-8"), object_pairs_hook=_object)
    except OSError as error:
        raise PlaybookError(f"Can't read {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, name) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise PlaybookError(
            f"{path} is not a playbook of cl-workbench: bring others in with "
            "`cl-workbench playbook import`."
        )
    _check_version(path, name, manifest.get("version"))
    return manifest


def _check_version(path: Path, name: str, version: object) -> None:
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise _damaged(path, name)
    if version > VERSION:
        raise PlaybookError(
            f"The playbook '{name}' was saved by a newer cl-workbench (format {version}, this one "
            f"reads {VERSION}): update cl-workbench."
        )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _history(path: Path, name: str, manifest: dict[str, Any]) -> History:
    try:
        history = history_of(manifest["revisions"])
        shown = [bullet_row(bullet) for bullet in history.playbook.bullets]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise _damaged(path, name) from error
    if shown != manifest.get("bullets"):
        raise PlaybookError(
            f"The bullets in the file of '{name}' are not those of its revisions, as if it had "
            "been edited by hand: export a playbook, edit that, and import it."
        )
    return history


def _damaged(path: Path, name: str) -> PlaybookError:
    return PlaybookError(
        f"The playbook '{name}' is damaged and was not read: put back a copy of {path}, or "
        "remove that file."
    )


def _described(path: Path) -> SavedPlaybook:
    size = 0
    try:
        size = path.lstat().st_size
        manifest = _manifest(path, path.stem)
        history = _history(path, path.stem, manifest)
        saved_at = manifest.get("saved_at")
    except PlaybookError as error:
        return SavedPlaybook(path.stem, size, fault=str(error))
    except OSError as error:
        return SavedPlaybook(path.stem, size, fault=f"Can't read {path}: {error.strerror}.")
    return SavedPlaybook(
        path.stem,
        size,
        _time(saved_at),
        len(history.playbook.bullets),
        len(history.revisions),
        len(pending(history)),
    )


def _time(value: object) -> str | None:
    try:
        return datetime.fromisoformat(str(value)).isoformat()
    except ValueError:
        return None


def _is_ours(path: Path) -> bool:
    """Whether the file says it is a playbook, or is what is left of one that said so first."""
    try:
        with path.open("rb") as stream:
            return FORMAT.encode() in stream.read(200)
    except OSError:
        return False
