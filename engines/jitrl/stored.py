"""What a JitRL engine saves: a manifest with the ledger's rows, and a part per document."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from engines.host import ModelHost
from engines.jitrl.ledger import Entry
from engines.protocol import CheckpointError, LearnReport
from engines.reports import check_unique, report_of


def manifest_of(
    engine: str, host: ModelHost, settings: Any, entries: Sequence[Entry]
) -> dict[str, Any]:
    """The manifest of ``engine``; ``settings`` (a dataclass) are there to be read by people."""
    rows = [
        dataclasses.asdict(entry.report) | {"muted": entry.muted, "bytes": entry.bytes}
        for entry in entries
    ]
    return {
        "engine": engine,
        "model": host.name,
        "fingerprint": host.fingerprint,
        "tokenizer": tokenizer_of(host),
        "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": dataclasses.asdict(settings),
        "documents": rows,
    }


def tokenizer_of(host: ModelHost) -> str:
    """16 hex digits that change with the vocabulary, which the weights don't tell."""
    vocabulary = sorted(host.tokenizer.get_vocab().items())
    return hashlib.sha256(json.dumps(vocabulary).encode()).hexdigest()[:16]


def check_tokenizer(folder: Path, manifest: Mapping[str, Any], host: ModelHost) -> None:
    """Refuse a checkpoint of the same weights with other tokens.

    Raises:
        CheckpointError: if it is one.
    """
    if manifest.get("tokenizer") != tokenizer_of(host):
        raise CheckpointError(
            f"The checkpoint '{folder.name}' was made with another tokenizer than {host.name} "
            "has: load it with that, or learn its documents again and save."
        )


def entries_of(manifest: Mapping[str, Any]) -> list[Entry]:
    """The ledger's rows with every value checked; use it inside ``sound(folder)``.

    Raises:
        KeyError, TypeError, ValueError: if one is missing or wrong.
    """
    entries = [_entry(dict(row)) for row in manifest["documents"]]
    check_unique([entry.report.id for entry in entries])
    return entries


def _entry(row: dict[str, Any]) -> Entry:
    muted, size = row.pop("muted"), row.pop("bytes")
    if not isinstance(muted, bool) or not isinstance(size, int) or size < 0:
        raise TypeError(f"muted is {muted!r} and bytes {size!r}")
    return Entry(report_of(row), size, muted)


def check_text(report: LearnReport, tensors: Mapping[str, Tensor]) -> None:
    """Compare the ``text`` of a part (UTF-8 as uint8) with the id, which follows from it.

    Raises:
        KeyError, ValueError: if there is none, or it is another document's.
    """
    content = tensors["text"].cpu().numpy().tobytes()
    if not hashlib.sha256(content).hexdigest().startswith(report.id):
        raise ValueError(f"the text of '{report.title}' is another document's")


@contextmanager
def sound(folder: Path) -> Iterator[None]:
    """Turn what unpacking damaged state raises into one sentence.

    Raises:
        CheckpointError: in place of an error about a value.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"The checkpoint '{folder.name}' is damaged: learn its documents again and save."
        ) from error
