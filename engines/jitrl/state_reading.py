"""Reading one document into a state file, told window by window."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from engines.host import ModelHost
from engines.jitrl.calibration import Calibration
from engines.jitrl.chunks import Chunk
from engines.jitrl.library import Library
from engines.jitrl.recording import (
    Projection,
    chunk_numbers,
    encode_with_offsets,
    layer_index,
    record,
)
from engines.jitrl.settings import JitRLFullSettings
from engines.jitrl.state_file import StateWriter
from engines.protocol import Document, DocumentError, EngineError, Progress


def gate_reading(calibration: Calibration) -> Iterator[Progress]:
    """Read the general text that sets the gate, if that wasn't done: no answer waits for it."""
    began = time.perf_counter()
    for done, steps in calibration.reading():
        seconds = time.perf_counter() - began
        yield Progress("calibrating the gate, once", 0.0, seconds, step=done, steps=steps)


def chunks_of(library: Library, document: Document) -> Generator[Progress, None, list[Chunk]]:
    """The chunks of ``document``, told one by one; nothing is added."""
    began = time.perf_counter()
    chunks: list[Chunk] = []
    yield Progress("cutting", 0.0, 0.0)
    for chunk in library.cutting(document):
        chunks.append(chunk)
        yield Progress("cutting", 0.0, time.perf_counter() - began, step=len(chunks))
    return chunks


def written(
    host: ModelHost,
    document: Document,
    chunks: Sequence[Chunk],
    path: Path,
    settings: JitRLFullSettings,
    projection: Projection,
) -> Generator[Progress, None, tuple[int, float]]:
    """Write the states of ``document`` to ``path``; returns its tokens and mean base nats.

    Closing it early leaves no file.

    Raises:
        DocumentError: if there are fewer than two tokens.
        CheckpointError: if the file can't be written.
    """
    began = time.perf_counter()
    ids, starts = encode_with_offsets(host, document.text)
    positions = len(ids) - 1
    if positions < 1:
        raise DocumentError(
            f"'{document.title}' has a single token: give it a sentence or two.", document.path
        )
    numbers = chunk_numbers(starts, [chunk.end for chunk in chunks])
    layer = layer_index(host.model, settings.layer)
    nats, seen = 0.0, 0
    with StateWriter(
        path,
        tokens=positions,
        chunks=len(chunks),
        width=projection.width,
        metadata={"layer": str(layer), "document": document.id},
    ) as writer:
        for step, part in enumerate(record(host, ids, settings, projection), start=1):
            writer.append(part.states, part.tokens, numbers[part.start :][: len(part.tokens)])
            nats += float(part.losses.double().sum())
            seen += len(part.tokens)
            seconds = time.perf_counter() - began
            yield Progress(
                "reading",
                seen / positions,
                seconds,
                step=step,
                tokens=len(ids),
                tokens_seen=seen,
                tokens_per_second=seen / seconds if seconds else None,
                loss=nats / seen,
            )
    return len(ids), nats / positions


def check_settings(settings: JitRLFullSettings) -> None:
    """Raise ``EngineError`` for a setting that is out of its range."""
    for name in ("share", "feedback_rate"):
        value = getattr(settings, name)
        if not 0.0 <= value <= 1.0:
            raise EngineError(f"jitrl_full.{name} is a share from 0 to 1, not {value}.")
    for name in ("neighbours", "chunk_candidates"):
        value = getattr(settings, name)
        if value < 1:
            raise EngineError(f"jitrl_full.{name} must be 1 or more, not {value}.")
    if not settings.temperature > 0:
        raise EngineError(f"jitrl_full.temperature must be above 0, not {settings.temperature}.")
