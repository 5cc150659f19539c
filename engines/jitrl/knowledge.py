"""All that JitRL Full has learned: texts, state files, returns and the ledger, kept in step."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

from engines import checkpoints, families
from engines.atomic import write_failure
from engines.host import ModelHost
from engines.jitrl import stored
from engines.jitrl.chunks import Chunk
from engines.jitrl.ledger import Entry, Ledger
from engines.jitrl.library import Library
from engines.jitrl.returns import Returns
from engines.jitrl.search import ChunkHit, StateStore
from engines.jitrl.settings import JitRLFullSettings
from engines.jitrl.state_file import StateFile
from engines.protocol import CheckpointError, Document, LearnReport, Passage

_STATES = "-states"  # ends the name of the part that is a document's state file


class Knowledge:
    """What is learned; a document is in all of its parts or in none."""

    def __init__(self, host: ModelHost, settings: JitRLFullSettings) -> None:
        self._host = host
        self.store = StateStore(host.device)
        self.library = Library(host.tokenizer, settings.passages, searched=False)
        self.returns = Returns()
        self.ledger = Ledger()

    def open(self, path: Path) -> StateFile:
        """A state file, checked.  Raises ``CheckpointError`` if it is damaged."""
        return StateFile(path, vocabulary=families.lm_head(self._host.model).out_features)

    def add(
        self, document: Document, chunks: Sequence[Chunk], file: StateFile, report: LearnReport
    ) -> tuple[str, ...]:
        """Take a document in; returns the ids of earlier versions whose place it takes."""
        self.library.add(document.id, document.title, document.text, chunks)
        self.store.add(document.id, file)
        self.returns.add(document.id, file.tokens)
        text = self.library.tensors(document.id).values()
        size = file.bytes + sum(tensor.nbytes for tensor in text)
        earlier = self.ledger.put(Entry(report, size))
        for one in earlier:
            self._drop(one)
        return earlier

    def remove(self, document_id: str) -> None:
        """Take a document out and delete its file.  Raises ``EngineError`` for an unknown id."""
        self.ledger.remove(document_id)
        self._drop(document_id)

    def _drop(self, document_id: str) -> None:
        """Let go of what is kept of a document that the ledger has no longer."""
        self.library.remove(document_id)
        self.returns.forget(document_id)
        path = self.store.documents[document_id].path
        self.store.remove(document_id)
        _delete(path)

    def delete_files(self) -> None:
        """Delete the files of a state that is replaced."""
        for file in self.store.documents.values():
            _delete(file.path)

    def passage(self, hit: ChunkHit) -> Passage:
        """The text of a chunk that was found, with its score."""
        return self.library.passage(hit.document_id, hit.chunk, hit.score)

    def save(self, folder: Path, manifest: dict[str, Any]) -> None:
        """Write all of it into ``folder``, atomically; state files are linked, not copied."""
        ids = [report.id for report in self.ledger.reports]
        checkpoints.write(
            folder,
            manifest | {"feedback": self.returns.to_json()},
            {name: self.library.tensors(name) for name in ids},
            {f"{name}{_STATES}": self.store.documents[name].path for name in ids},
        )


def loaded(
    folder: Path,
    host: ModelHost,
    settings: JitRLFullSettings,
    *,
    engine: str,
    kind: dict[str, int],
    workplace: Path,
) -> Knowledge:
    """What ``save`` wrote; ``kind`` is the layer and width of the states that fit.

    Files are put into a new folder of ``workplace``, which is gone again after an error.

    Raises:
        CheckpointError: another engine, base model, layer or projection, or damaged files.
    """
    # Another layer is told of before large files are read.
    manifest = checkpoints.read_manifest(folder)
    if manifest.get("engine") == engine and manifest.get("fingerprint") == host.fingerprint:
        stored.check_tokenizer(folder, manifest, host)
        with stored.sound(folder):
            _check_kind(folder, dict(manifest["states"]), kind)
    try:
        into = Path(tempfile.mkdtemp(prefix="loaded-", dir=workplace))
    except OSError as error:
        raise CheckpointError(write_failure(workplace, error)) from error
    try:
        manifest, parts, files = checkpoints.read_with_files(
            folder,
            engine=engine,
            model=host.name,
            fingerprint=host.fingerprint,
            as_files=lambda name: name.endswith(_STATES),
            into=into,
        )
        with stored.sound(folder):
            return _restored(Knowledge(host, settings), manifest, parts, files, kind)
    except BaseException:
        rmtree(into, ignore_errors=True)
        raise


def _check_kind(folder: Path, found: dict[str, Any], wanted: dict[str, int]) -> None:
    for name, setting in (("layer", "jitrl_full.layer"), ("width", "jitrl_full.projection")):
        if type(found[name]) is not int:
            raise TypeError(f"{name} is {found[name]!r}")
        if found[name] != wanted[name]:
            raise CheckpointError(
                f"The states in the checkpoint '{folder.name}' have the {name} {found[name]}, and "
                f"this engine's {wanted[name]}: set {setting} to {found[name]}."
            )


def _restored(
    knowledge: Knowledge,
    manifest: dict[str, Any],
    parts: dict[str, Any],
    files: dict[str, Path],
    kind: dict[str, int],
) -> Knowledge:
    entries = stored.entries_of(manifest)
    for report in (entry.report for entry in entries):
        stored.check_text(report, parts[report.id])
        knowledge.library.restore(report.id, report.title, parts[report.id])
        file = knowledge.open(files[f"{report.id}{_STATES}"])
        chunks = len(knowledge.library.passages(report.id))
        found = (file.metadata["document"], file.tokens, file.width, file.chunks, chunks)
        shape = (report.tokens - 1, kind["width"], report.chunks, report.chunks)
        if found != (report.id, *shape):
            raise ValueError(f"the states of '{report.title}' don't fit its report")
        knowledge.store.add(report.id, file)
    tokens = {name: file.tokens for name, file in knowledge.store.documents.items()}
    knowledge.returns = Returns.from_json(manifest["feedback"], tokens)
    knowledge.ledger = Ledger(entries)
    return knowledge


def _delete(path: Path) -> None:
    # A file that can't go lies in a working folder that is removed as a whole later.
    with contextlib.suppress(OSError):
        path.unlink()
    if path.parent.name.startswith("loaded-"):
        with contextlib.suppress(OSError):  # others of the same checkpoint are there still
            path.parent.rmdir()
