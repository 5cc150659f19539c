"""The stored states of all documents: first the chunks that fit, then their token states."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.jitrl.returns import START, Returns
from engines.jitrl.state_file import StateFile
from engines.protocol import EngineError

CACHE_BYTES = 256 * 2**20  # of chunks on the model's device


@dataclass(frozen=True, slots=True)
class ChunkHit:
    """A chunk (numbered from 0) of a document; ``score`` is a cosine, −1…1."""

    document_id: str
    chunk: int
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Where states are compared: what all texts have in common is taken from them.

    ``centre`` is the mean state of general text, ``question_centre`` that of general questions
    as they stand in a chat, ``deviation`` that of general text in each dimension; all
    ``[width]``.  Without the last two a few large dimensions, and the form of a question,
    decide which chunk is near.
    """

    centre: Tensor
    question_centre: Tensor
    deviation: Tensor

    def of_text(self, states: Tensor) -> Tensor:
        """Directions ``[..., width]`` of mean states of text."""
        return _unit((states - self.centre) / self.deviation)

    def of_question(self, state: Tensor) -> Tensor:
        """The direction ``[width]`` of the mean state of a question, or of its answer so far."""
        return _unit((state - self.question_centre) / self.deviation)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The ``m`` token states of some chunks, on the model's device.

    ``states`` ``[m, width]``; ``tokens`` ``[m]`` int64 is what followed each, ``returns``
    ``[m]`` float32 its return, ``hit`` ``[m]`` the index in ``hits`` of its chunk and
    ``rows`` ``[m]`` its row in that document's file.
    """

    hits: tuple[ChunkHit, ...]
    states: Tensor
    tokens: Tensor
    returns: Tensor
    hit: Tensor
    rows: Tensor


class StateStore:
    """Documents as opened state files, found by the mean state of their chunks.

    ``cache_bytes`` bounds what is kept on ``device`` of chunks that were asked for.
    """

    def __init__(self, device: str | torch.device, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._device = torch.device(device)
        # In half precision on the CPU each step would widen the same numbers anew.
        self._kind = torch.float32 if self._device.type == "cpu" else torch.float16
        self._files: dict[str, StateFile] = {}
        self._pool: _Pool | None = None
        self._cache = _ChunkCache(cache_bytes)
        self._latest: tuple[object, Gathered] | None = None

    @property
    def documents(self) -> Mapping[str, StateFile]:
        """The files by document id, in the order they came; not to be written to."""
        return self._files

    @property
    def tokens(self) -> int:
        """How many states are stored."""
        return sum(file.tokens for file in self._files.values())

    def add(self, document_id: str, file: StateFile) -> None:
        """Take in a document, in place of one with the same id.

        Raises:
            EngineError: if its states are of another width than those stored.
        """
        widths = {other.width for name, other in self._files.items() if name != document_id}
        if widths - {file.width}:
            raise EngineError(
                f"The states of {file.path.name} have {file.width} numbers and those stored "
                f"{widths.pop()}: learn with the same jitrl_full.projection, or reset first."
            )
        self.remove(document_id)
        self._files[document_id] = file

    def remove(self, document_id: str) -> None:
        """Drop a document, if it is here; its file stays on the disk."""
        self._files.pop(document_id, None)
        self._cache.drop(document_id)
        self._pool = self._latest = None

    def candidates(
        self, direction: Tensor, count: int, space: Space, *, leaving_out: Collection[str] = ()
    ) -> tuple[ChunkHit, ...]:
        """The ``count`` chunks whose mean states are nearest, by cosine, the best first.

        ``direction`` ``[width]`` is one of ``space``.
        """
        if self._pool is None or self._pool.space is not space:
            self._pool = _Pool(self._files, space)
        return self._pool.nearest(direction, count, leaving_out)

    def gather(self, hits: Sequence[ChunkHit], returns: Returns | None = None) -> Gathered:
        """The token states of ``hits`` with their ``returns`` (1 where none are given).

        For the same chunks and returns as the time before nothing is moved or copied.
        """
        chunks = tuple((hit.document_id, hit.chunk) for hit in hits)
        key = (chunks, returns, None if returns is None else returns.version)
        if self._latest is None or self._latest[0] != key:
            self._latest = (key, self._gathered(tuple(hits), returns))
        return self._latest[1]

    def _gathered(self, hits: tuple[ChunkHit, ...], returns: Returns | None) -> Gathered:
        if not hits:
            return self._nothing()
        pieces = [self._chunk(hit) for hit in hits]
        spans = [self._files[hit.document_id].chunk_rows(hit.chunk) for hit in hits]
        lengths = torch.tensor([end - start for start, end in spans])
        worth = [
            torch.full((end - start,), START)
            if returns is None
            else returns.of(hit.document_id)[start:end]
            for hit, (start, end) in zip(hits, spans, strict=True)
        ]
        rows = [torch.arange(start, end) for start, end in spans]
        return Gathered(
            hits=hits,
            states=torch.cat([states for states, _ in pieces]),
            tokens=torch.cat([tokens for _, tokens in pieces]),
            returns=torch.cat(worth).to(self._device),
            hit=torch.repeat_interleave(lengths).to(self._device),
            rows=torch.cat(rows).to(self._device),
        )

    def _nothing(self) -> Gathered:
        width = next((file.width for file in self._files.values()), 1)
        none = torch.zeros(0, dtype=torch.long, device=self._device)
        states = torch.zeros(0, width, dtype=self._kind, device=self._device)
        return Gathered((), states, none, none.float(), none, none)

    def _chunk(self, hit: ChunkHit) -> tuple[Tensor, Tensor]:
        key = (hit.document_id, hit.chunk)
        found = self._cache.get(key)
        if found is None:
            file = self._files[hit.document_id]
            states, tokens = file.rows(*file.chunk_rows(hit.chunk))
            found = (states.to(self._device, self._kind), tokens.to(self._device))
            self._cache.put(key, found)
        return found


class _Pool:
    """The directions of all chunks in one space, and whose they are."""

    def __init__(self, files: Mapping[str, StateFile], space: Space) -> None:
        self.space = space
        self._keys = [
            (name, chunk)
            for name, file in files.items()
            for chunk in range(file.chunks)
            if file.chunk_rows(chunk)[0] < file.chunk_rows(chunk)[1]
        ]
        rows = [files[name].pooled[chunk] for name, chunk in self._keys]
        pooled = torch.stack(rows) if rows else torch.zeros(0, len(space.centre))
        self._directions = space.of_text(pooled.to(space.centre))

    def nearest(
        self, direction: Tensor, count: int, leaving_out: Collection[str]
    ) -> tuple[ChunkHit, ...]:
        if not self._keys or count < 1:
            return ()
        scores = self._directions @ direction.to(self._directions)
        left = []
        if leaving_out:
            left = [n for n, (name, _) in enumerate(self._keys) if name in leaving_out]
            scores[left] = -torch.inf
        count = min(count, len(self._keys) - len(left))
        best = scores.topk(count)
        return tuple(
            ChunkHit(self._keys[index][0], self._keys[index][1], score)
            for index, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        )


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors, dim=-1)


class _ChunkCache:
    """The chunks that were asked for last, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[tuple[str, int], tuple[Tensor, Tensor]] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[str, int]) -> tuple[Tensor, Tensor] | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: tuple[str, int], value: tuple[Tensor, Tensor]) -> None:
        self._kept[key] = value
        self._bytes += _size(value)
        while self._bytes > self._limit and self._kept:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= _size(oldest)

    def drop(self, document_id: str) -> None:
        for key in [key for key in self._kept if key[0] == document_id]:
            self._bytes -= _size(self._kept.pop(key))


def _size(tensors: tuple[Tensor, Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
