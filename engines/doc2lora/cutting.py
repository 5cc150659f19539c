"""A document in chunks, however long it is; nothing longer than needed is tokenised at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from engines.doc2lora.affixes import document_tokens
from engines.doc2lora.config import HypernetworkConfig
from engines.doc2lora.reading import split
from engines.doc2lora.settings import Doc2LoraSettings
from engines.host import ModelHost
from engines.protocol import Document, EngineError

_LETTERS_PER_TOKEN = 8  # more than a token has on average, so one look is mostly enough
_AT_ONCE = 20_000  # characters of the rest that are counted in one call


@dataclass(frozen=True, slots=True)
class Cut:
    """``chunks`` are token ids with the affixes around them; ``read`` of ``tokens`` are in them."""

    chunks: Sequence[Sequence[int]]
    tokens: int
    read: int


def longest_chunk(host: ModelHost, config: HypernetworkConfig, settings: Doc2LoraSettings) -> int:
    """How many of a document's tokens a chunk may have.

    Raises:
        EngineError: if the one that is set doesn't fit into the model's context.
    """
    room = host.context_limit - len(config.affixes)
    wanted = settings.chunk_tokens or min(config.chunk_tokens, room)
    if not 1 <= wanted <= room:
        raise EngineError(
            f"doc2lora.chunk_tokens is {wanted}, and {host.name} reads {host.context_limit} tokens "
            f"with {len(config.affixes)} of them around each chunk: set {max(room, 0)} or fewer."
        )
    return wanted


def cut(
    host: ModelHost, document: Document, config: HypernetworkConfig, settings: Doc2LoraSettings
) -> Generator[int, None, Cut]:
    """Cut ``document`` into at most ``max_chunks`` chunks of equal length.

    Yields how many tokens have been counted, from time to time.

    Raises:
        DocumentError: if there is nothing to read.
        EngineError: if the chunks that are set don't fit into the model's context.
    """
    size = longest_chunk(host, config, settings)
    limit = size * settings.max_chunks
    text = document.text.strip()

    def tokenise(part: str) -> list[int]:
        return document_tokens(host.tokenizer, part, config.affixes)

    ids, end = first_tokens(tokenise, text, limit)
    tokens = len(ids)
    chunks = split(ids[:limit], size, config.affixes)
    for start in range(end, len(text), _AT_ONCE):
        yield tokens
        part = text[start : start + _AT_ONCE]
        tokens += len(host.tokenizer(part, add_special_tokens=False, verbose=False)["input_ids"])
    return Cut(chunks, tokens, min(limit, len(ids)))


def first_tokens(
    tokenise: Callable[[str], Sequence[int]], text: str, limit: int
) -> tuple[Sequence[int], int]:
    """More than ``limit`` first ids of ``text``, or all, and where in the text they end."""
    size = max(limit * _LETTERS_PER_TOKEN, _AT_ONCE)
    while True:
        end = len(text) if size >= len(text) else _word_end(text, size)
        ids = tokenise(text[:end])
        if end == len(text) or len(ids) > limit:
            return ids, end
        size *= 2


def _word_end(text: str, most: int) -> int:
    """The last end of a word at or before ``most``, so that no word is cut where it helps."""
    space = max(text.rfind(" ", 1, most), text.rfind("\n", 1, most))
    return space if space > most // 2 else most
