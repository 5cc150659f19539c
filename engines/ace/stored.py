"""An ACE checkpoint: the playbook with all its revisions, and a part per document.

A playbook is text that any model can read, so a checkpoint fits every model.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engines import checkpoints
from engines.ace.bullet import now
from engines.ace.revisions import History
from engines.ace.rows import history_of, revision_row
from engines.ace.settings import AceSettings
from engines.ace.shelf import Book
from engines.jitrl.chunks import Chunk
from engines.jitrl.ledger import Entry

if TYPE_CHECKING:
    from torch import Tensor

ANY_MODEL = "any model"
_PLAYBOOK = "playbook"


@dataclass(frozen=True, slots=True)
class State:
    """What an engine has learned."""

    history: History
    entries: Sequence[Entry]
    books: Mapping[str, Book]


def write(folder: Path, engine: str, model: str, settings: AceSettings, state: State) -> None:
    """Save ``state`` into ``folder``, atomically.

    Raises:
        CheckpointError: if it can't be written; what was there stays.
    """
    rows = [
        dataclasses.asdict(entry.report)
        | {"muted": entry.muted, "bytes": entry.bytes, "searched": _book(state, entry).searched}
        for entry in state.entries
    ]
    manifest = {
        "engine": engine,
        "model": model,
        "fingerprint": ANY_MODEL,
        "saved_at": now(),
        "settings": dataclasses.asdict(settings),
        "documents": rows,
        "revisions": len(state.history.revisions) - 1,
    }
    revisions = [revision_row(revision) for revision in state.history.revisions]
    parts = {entry.report.id: _tensors(_book(state, entry)) for entry in state.entries}
    parts[_PLAYBOOK] = {"revisions": _bytes(json.dumps(revisions, ensure_ascii=False))}
    checkpoints.write(folder, manifest, parts)


def read(folder: Path, engine: str, model: str) -> State:
    """What was saved into ``folder``.

    Raises:
        CheckpointError: if another engine saved it, or it is damaged.
    """
    from engines.jitrl import stored

    manifest, parts = checkpoints.read(folder, engine=engine, model=model, fingerprint=ANY_MODEL)
    with stored.sound(folder):
        rows = [dict(row) for row in manifest["documents"]]
        searched = [row.pop("searched") is not False for row in rows]
        entries = stored.entries_of({"documents": rows})
        books: dict[str, Book] = {}
        for entry, looked_up in zip(entries, searched, strict=True):
            tensors = parts[entry.report.id]
            stored.check_text(entry.report, tensors)
            books[entry.report.id] = _read_book(entry.report.title, tensors, looked_up)
        history = history_of(json.loads(_text(parts[_PLAYBOOK]["revisions"])))
    return State(history, entries, books)


def size_of(book: Book) -> int:
    """Bytes that are kept of a document."""
    return len(book.text.encode("utf-8")) + 24 * len(book.chunks)


def _book(state: State, entry: Entry) -> Book:
    return state.books[entry.report.id]


def _tensors(book: Book) -> dict[str, Tensor]:
    import torch

    spans = [(chunk.start, chunk.end, chunk.tokens) for chunk in book.chunks]
    chunks = torch.tensor(spans, dtype=torch.int64).reshape(-1, 3)
    return {"text": _bytes(book.text), "chunks": chunks}


def _read_book(title: str, tensors: Mapping[str, Tensor], searched: bool) -> Book:
    text = _text(tensors["text"])
    chunks = tuple(Chunk(*span) for span in tensors["chunks"].tolist())
    if not all(0 <= c.start < c.end <= len(text) and c.tokens > 0 for c in chunks):
        raise ValueError(f"a chunk of '{title}' is no part of it")
    return Book(title, text, chunks, searched)


def _bytes(text: str) -> Tensor:
    import torch

    return torch.frombuffer(bytearray(text.encode("utf-8")), dtype=torch.uint8).clone()


def _text(tensor: Tensor) -> str:
    return tensor.cpu().numpy().tobytes().decode("utf-8")
