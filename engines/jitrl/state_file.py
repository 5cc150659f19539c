"""One document's states in one safetensors file, written row by row and read through a map.

The file holds, besides text metadata, ``pooled`` float32 ``[chunks, width]`` (the mean
state of each chunk), ``tokens`` int32 ``[tokens]`` (the token that followed each state),
``chunk`` int32 ``[tokens]`` (the number of its chunk, never falling) and ``states``
float16 ``[tokens, width]``.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engines.atomic import write_failure
from engines.protocol import CheckpointError

_HALF_LIMIT = 65504.0  # the largest float16
_ROWS_AT_ONCE = 8192  # when a file is checked
_TYPES = {"pooled": "F32", "tokens": "I32", "chunk": "I32", "states": "F16"}
_NUMPY = {"F32": "<f4", "I32": "<i4", "F16": "<f2"}


def half_precision(states: Tensor) -> Tensor:
    """float16, with what is beyond its range at its edge."""
    return states.clamp(-_HALF_LIMIT, _HALF_LIMIT).half()


class StateWriter:
    """Writes a state file of known shape; use it as a context manager.

    Rows come in order by ``append``.  Leaving the block after all of them gives the file
    its name; leaving it with an exception removes what was written.

    Raises:
        ValueError: for shapes that hold nothing, and on leaving with rows missing.
        CheckpointError: if the file can't be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        tokens: int,
        chunks: int,
        width: int,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        if min(tokens, chunks, width) < 1:
            raise ValueError(f"A state file can't have the shape {tokens}, {chunks}, {width}.")
        self._path = path
        self._temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
        self._shapes = _shapes(tokens, chunks, width)
        self._metadata = dict(metadata or {})
        self._tokens, self._chunks, self._width = tokens, chunks, width
        self._row = 0
        self._last_chunk = 0
        self._sums = torch.zeros(chunks, width)
        self._counts = torch.zeros(chunks, 1)
        self._maps: dict[str, np.memmap[Any, Any]] = {}

    def __enter__(self) -> StateWriter:
        try:
            self._begin()
        except OSError as error:
            self._drop()
            raise CheckpointError(write_failure(self._path, error)) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._finish()
        except OSError as failure:
            raise CheckpointError(write_failure(self._path, failure)) from failure
        finally:
            self._maps.clear()
            self._drop()

    def append(self, states: Tensor, tokens: Tensor, chunk: Tensor) -> None:
        """Write ``n`` more rows: ``states`` ``[n, width]``, ``tokens`` and ``chunk`` ``[n]``.

        Raises:
            ValueError: for another shape, more rows than announced, a chunk that isn't
                there or comes before its predecessor's, or states that aren't finite.
        """
        rows = states.detach().to("cpu", torch.float32)
        numbers = chunk.detach().to("cpu", torch.int64)
        self._check(rows, tokens, numbers)
        half = half_precision(rows)
        place = slice(self._row, self._row + len(rows))
        self._maps["states"][place] = half.numpy()
        self._maps["tokens"][place] = tokens.detach().to("cpu", torch.int32).numpy()
        self._maps["chunk"][place] = numbers.to(torch.int32).numpy()
        self._sums.index_add_(0, numbers, half.float())
        self._counts.index_add_(0, numbers, torch.ones(len(rows), 1))
        self._row += len(rows)
        self._last_chunk = int(numbers[-1])

    def _check(self, rows: Tensor, tokens: Tensor, numbers: Tensor) -> None:
        n = len(rows)
        right = rows.shape == (n, self._width) and tokens.shape == numbers.shape == (n,)
        if not right or n == 0 or self._row + n > self._tokens:
            raise ValueError(f"Rows {tuple(rows.shape)} don't fit at {self._row} of {self._tokens}")
        before = torch.tensor([self._last_chunk])
        if bool((torch.cat([before, numbers]).diff() < 0).any()) or numbers[-1] >= self._chunks:
            raise ValueError(
                "The numbers of the chunks must rise from 0 and stay below their count"
            )
        if not bool(torch.isfinite(rows).all()):
            raise ValueError("States must be finite numbers")

    def _begin(self) -> None:
        header, offsets, size = _layout(self._shapes, self._metadata)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._temporary.open("xb") as stream:
            stream.write(header)
            stream.flush()
            _reserve(stream.fileno(), size)
        for name, shape in self._shapes.items():
            kind = _NUMPY[_TYPES[name]]
            self._maps[name] = np.memmap(self._temporary, kind, "r+", offsets[name], shape)

    def _finish(self) -> None:
        if self._row != self._tokens:
            raise ValueError(f"{self._row} of {self._tokens} rows were written")
        self._maps["pooled"][:] = (self._sums / self._counts.clamp(min=1)).numpy()
        for mapped in self._maps.values():
            mapped.flush()
        with self._temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        self._temporary.replace(self._path)

    def _drop(self) -> None:
        with contextlib.suppress(OSError):
            self._temporary.unlink()


def _reserve(descriptor: int, size: int) -> None:
    """Take the blocks now: writing into a map on a full disk kills the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:  # macOS has no such call
        os.ftruncate(descriptor, size)


def _shapes(tokens: int, chunks: int, width: int) -> dict[str, tuple[int, ...]]:
    return {
        "pooled": (chunks, width),
        "tokens": (tokens,),
        "chunk": (tokens,),
        "states": (tokens, width),
    }


def _layout(
    shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]
) -> tuple[bytes, dict[str, int], int]:
    """The header of a safetensors file, where each tensor begins, and the file's size."""
    entries: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    begins: dict[str, int] = {}
    end = 0
    for name, shape in shapes.items():
        begins[name] = end
        end += int(np.prod(shape)) * np.dtype(_NUMPY[_TYPES[name]]).itemsize
        entries[name] = {
            "dtype": _TYPES[name],
            "shape": list(shape),
            "data_offsets": [begins[name], end],
        }
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = 8 + len(text)
    header = len(text).to_bytes(8, "little") + text
    return header, {name: data + begin for name, begin in begins.items()}, data + end


class StateFile:
    """A state file that is open, checked and not in memory but for its pooled rows.

    ``pooled`` is ``[chunks, width]`` float32 on the CPU; ``tokens``, ``chunks``, ``width``
    and ``bytes`` are counts.  With ``vocabulary`` every stored token must be below it.

    Raises:
        CheckpointError: if the file is cut short, is of another form, or holds numbers
            that can't be right.
    """

    def __init__(self, path: Path, *, vocabulary: int | None = None) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = path
        try:
            self.bytes = path.stat().st_size
            self._file: Any = safe_open(path, framework="pt")
            self._open()
            sound = self._is_sound(vocabulary)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged() from error
        if not sound:
            raise self._damaged()

    def rows(self, start: int, end: int) -> tuple[Tensor, Tensor]:
        """States ``[n, width]`` float16 and tokens ``[n]`` int64 of ``start``…``end``, copied."""
        states: Tensor = self._slices["states"][start:end]
        tokens: Tensor = self._slices["tokens"][start:end]
        return states.clone(), tokens.long()

    def chunk_rows(self, number: int) -> tuple[int, int]:
        """The rows ``(start, end)`` of chunk ``number``; empty if none is its own."""
        return int(self._bounds[number]), int(self._bounds[number + 1])

    def _open(self) -> None:
        self._slices = {name: self._file.get_slice(name) for name in self._file.keys()}  # noqa: SIM118
        self.metadata: dict[str, str] = dict(self._file.metadata() or {})
        self.pooled: Tensor = self._file.get_tensor("pooled").clone()
        self.tokens, self.width = self._slices["states"].get_shape()
        self.chunks = len(self.pooled)

    def _is_sound(self, vocabulary: int | None) -> bool:
        if self._slices.keys() != _TYPES.keys():
            return False
        wanted = _shapes(self.tokens, self.chunks, self.width)
        for name, found in self._slices.items():
            if tuple(found.get_shape()) != wanted[name] or found.get_dtype() != _TYPES[name]:
                return False
        return (
            self._numbers_are_sound(vocabulary)
            and bool(torch.isfinite(self.pooled).all())
            and all(self._is_finite(row) for row in range(0, self.tokens, _ROWS_AT_ONCE))
        )

    def _numbers_are_sound(self, vocabulary: int | None) -> bool:
        chunk: Tensor = self._slices["chunk"][:]
        tokens: Tensor = self._slices["tokens"][:]
        self._bounds = torch.searchsorted(chunk.long(), torch.arange(self.chunks + 1))
        return bool(
            (chunk.diff() >= 0).all()
            and chunk[0] >= 0
            and chunk[-1] < self.chunks
            and tokens.min() >= 0
            and (vocabulary is None or tokens.max() < vocabulary)
        )

    def _is_finite(self, row: int) -> bool:
        states: Tensor = self._slices["states"][row : row + _ROWS_AT_ONCE]
        return bool(torch.isfinite(states).all())

    def _damaged(self) -> CheckpointError:
        return CheckpointError(
            f"The stored states in {self.path.name} are damaged: learn the document again and save."
        )
