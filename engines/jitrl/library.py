"""The learned documents themselves: their texts, chunks and the index over them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engines.jitrl.chunks import Chunk, cut
from engines.jitrl.index import CountedPassages, PassageIndex
from engines.jitrl.settings import PassageSettings
from engines.protocol import Document, EngineError, Passage

_COUNTED_AT_ONCE = 16  # chunks: each call costs something besides what it counts


@dataclass(frozen=True, slots=True)
class _Held:
    title: str
    text: str
    chunks: tuple[Chunk, ...]


class Library:
    """What documents there are, and which of their chunks answer a question.

    Each chunk is looked up by its own words and its document's title.  One that is not
    ``searched`` keeps the texts and chunks alone, and nothing is found in it.
    """

    def __init__(self, tokenizer: Any, settings: PassageSettings, *, searched: bool = True) -> None:
        self._tokenizer = tokenizer
        self._settings = settings
        self._held: dict[str, _Held] = {}
        self._index = PassageIndex(settings) if searched else None

    def __contains__(self, document_id: object) -> bool:
        return document_id in self._held

    def __len__(self) -> int:
        """How many chunks there are."""
        return sum(len(held.chunks) for held in self._held.values())

    def cutting(self, document: Document) -> Iterator[Chunk]:
        """The chunks of ``document``, one at a time; nothing is added."""
        return cut(
            self._tokenizer,
            document.text,
            chunk_tokens=self._settings.chunk_tokens,
            overlap_tokens=self._settings.overlap_tokens,
        )

    def adding(self, document: Document) -> Iterator[Chunk]:
        """As ``cutting``, and ``document`` is taken in when the iterator comes to its end.

        Its words are counted on the way, so each step costs a few chunks' length.  Closing
        the iterator before its end leaves the library as it was.
        """
        chunks: list[Chunk] = []
        parts: list[CountedPassages] = []
        for chunk in self.cutting(document):
            chunks.append(chunk)
            if self._index is not None and len(chunks) % _COUNTED_AT_ONCE == 0:
                some = chunks[-_COUNTED_AT_ONCE:]
                parts.append(self._index.counted(_texts(document.title, document.text, some)))
            yield chunk
        if self._index is not None:
            rest = chunks[len(parts) * _COUNTED_AT_ONCE :]
            parts.append(self._index.counted(_texts(document.title, document.text, rest)))
            self._index.add_counted(document.id, parts)
        self._held[document.id] = _Held(document.title, document.text, tuple(chunks))

    def add(self, document_id: str, title: str, text: str, chunks: Sequence[Chunk]) -> None:
        """Take a document in, in place of one with the same id; all of it or nothing.

        Raises:
            ValueError: if a chunk is not a part of ``text``.
        """
        for chunk in chunks:
            _check(chunk, text)
        if self._index is not None:
            self._index.add(document_id, _texts(title, text, chunks))
        self._held[document_id] = _Held(title, text, tuple(chunks))

    def remove(self, document_id: str) -> None:
        """Take a document out.

        Raises:
            EngineError: if it is not there.
        """
        self._of(document_id)
        if self._index is not None:
            self._index.remove(document_id)
        del self._held[document_id]

    def search(
        self, query: str, top_k: int | None = None, leaving_out: Collection[str] = ()
    ) -> tuple[Passage, ...]:
        """The passages that fit ``query`` best, best first; none if nothing fits.

        ``top_k`` is the setting's where it is None.
        """
        count = self._settings.top_k if top_k is None else top_k
        if self._index is None:
            return ()
        hits = self._index.search(query, count, leaving_out=leaving_out)
        return tuple(self.passage(hit.document_id, hit.number, hit.score) for hit in hits)

    def passages(self, document_id: str) -> tuple[Passage, ...]:
        """All chunks of one document, in their order, with a score of 0.

        Raises:
            EngineError: if it is not there.
        """
        count = len(self._of(document_id).chunks)
        return tuple(self.passage(document_id, number) for number in range(count))

    def passage(self, document_id: str, number: int, score: float = 0.0) -> Passage:
        """One chunk of one document; ``number`` counts its chunks from 0, as a hit's does.

        Raises:
            EngineError: if the document or the chunk is not there.
        """
        held = self._of(document_id)
        if not 0 <= number < len(held.chunks):
            raise EngineError(
                f"'{held.title}' has {len(held.chunks)} chunks and none has the number {number}."
            )
        chunk = held.chunks[number]
        return Passage(
            document_id=document_id,
            title=held.title,
            number=number + 1,
            text=held.text[chunk.start : chunk.end],
            score=score,
            start=chunk.start,
            end=chunk.end,
        )

    def tensors(self, document_id: str) -> dict[str, Tensor]:
        """A document for a checkpoint.

        ``text`` is its UTF-8 as uint8 [bytes], ``chunks`` the start, end and tokens of each
        chunk as int64 [chunks, 3].

        Raises:
            EngineError: if it is not there.
        """
        held = self._of(document_id)
        content = bytearray(held.text.encode("utf-8", "surrogatepass"))
        text = torch.frombuffer(content, dtype=torch.uint8).clone() if content else _NOTHING.clone()
        spans = [(chunk.start, chunk.end, chunk.tokens) for chunk in held.chunks]
        return {"text": text, "chunks": torch.tensor(spans, dtype=torch.int64).reshape(-1, 3)}

    def restore(self, document_id: str, title: str, tensors: Mapping[str, Tensor]) -> None:
        """Add what ``tensors`` gave; the library stays as it is where that is damaged.

        Raises:
            ValueError: if a tensor is missing, of another shape or type, or holds no text,
                or a chunk that is not a part of it.
        """
        text = tensors.get("text")
        spans = tensors.get("chunks")
        if text is None or text.dtype != torch.uint8 or text.dim() != 1:
            raise ValueError(f"the text of '{title}' is no row of bytes")
        if spans is None or spans.dtype != torch.int64 or spans.dim() != 2 or spans.shape[1] != 3:
            raise ValueError(f"the chunks of '{title}' are no rows of start, end and tokens")
        content = text.cpu().numpy().tobytes().decode("utf-8", "surrogatepass")
        chunks = [Chunk(*span) for span in spans.tolist()]
        if any(chunk.tokens < 1 for chunk in chunks):
            raise ValueError(f"a chunk of '{title}' has no tokens")
        self.add(document_id, title, content, chunks)

    def _of(self, document_id: str) -> _Held:
        if document_id not in self._held:
            raise EngineError(
                f"No document '{document_id}' was learned: list the documents and name one."
            )
        return self._held[document_id]


_NOTHING = torch.empty(0, dtype=torch.uint8)


def _texts(title: str, text: str, chunks: Sequence[Chunk]) -> list[str]:
    """What the chunks are looked up by."""
    return [f"{title}\n{text[chunk.start : chunk.end]}" for chunk in chunks]


def _check(chunk: Chunk, text: str) -> None:
    if not 0 <= chunk.start < chunk.end <= len(text):
        raise ValueError(
            f"chunk {chunk.start}:{chunk.end} is no part of a text of {len(text)} characters"
        )
