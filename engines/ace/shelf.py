"""The learned documents' passages, to be looked up; no model and no torch is needed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engines.ace.sizes import about_tokens
from engines.jitrl.chunks import Chunk, cut
from engines.jitrl.index import PassageIndex
from engines.jitrl.question import has_words
from engines.jitrl.settings import PassageSettings
from engines.protocol import Document, Passage


@dataclass(frozen=True, slots=True)
class Book:
    """One document as it is kept; one that is not ``searched`` is kept alone."""

    title: str
    text: str
    chunks: tuple[Chunk, ...]
    searched: bool = True


class Shelf:
    """Documents by id, cut into passages of about so many tokens."""

    def __init__(self, settings: PassageSettings, books: Mapping[str, Book] | None = None) -> None:
        self._settings = settings
        self._books: dict[str, Book] = {}
        self._index = PassageIndex(settings)
        for document_id, book in (books or {}).items():
            self.put(document_id, book)

    @property
    def books(self) -> Mapping[str, Book]:
        """The documents, in the order in which they were put here."""
        return self._books

    def cutting(self, document: Document) -> Iterator[Chunk]:
        """The chunks of ``document``, one at a time; nothing is put here."""
        return cut(
            _Counting(),
            document.text,
            chunk_tokens=self._settings.chunk_tokens,
            overlap_tokens=self._settings.overlap_tokens,
        )

    def put(self, document_id: str, book: Book) -> None:
        """Take a document in, in place of one with the same id; all of it or nothing."""
        texts = [f"{book.title}\n{book.text[c.start : c.end]}" for c in book.chunks]
        if book.searched:
            self._index.add(document_id, texts)
        self._books[document_id] = book

    def remove(self, document_id: str) -> None:
        """Take a document out, if it is here."""
        if document_id in self._index:
            self._index.remove(document_id)
        self._books.pop(document_id, None)

    def search(self, query: str, leaving_out: Collection[str] = ()) -> Sequence[Passage]:
        """The passages that fit ``query`` best, best first; none if nothing fits."""
        if not has_words(query):
            return ()
        hits = self._index.search(query, self._settings.top_k, leaving_out=leaving_out)
        return tuple(self._passage(hit.document_id, hit.number, hit.score) for hit in hits)

    def _passage(self, document_id: str, number: int, score: float) -> Passage:
        book = self._books[document_id]
        chunk = book.chunks[number]
        text = book.text[chunk.start : chunk.end]
        return Passage(document_id, book.title, number + 1, text, score, chunk.start, chunk.end)


class _Counting:
    """Stands for a tokenizer where only about how many tokens there are matters."""

    def __call__(self, text: str, **_: object) -> dict[str, range]:
        return {"input_ids": range(about_tokens(text))}
