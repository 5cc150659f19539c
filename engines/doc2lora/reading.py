"""The frozen reader: a document in chunks, and the hidden states that a LoRA is made of.

The reader is the base model itself.  Its state for layer ℓ is what goes into layer ℓ, so
the first is the embedding.  The published reader has its last layer cut off, which puts
the final norm behind the one before; so the last layer's state has gone through that
norm.  (SakanaAI/doc-to-lora, ``modeling/ctx_encoder.py``.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from engines import families
from engines.doc2lora.affixes import Affixes, document_tokens
from engines.doc2lora.config import MAX_CHUNKS, HypernetworkConfig
from engines.doc2lora.hypernetwork import GeneratedLora, Hypernetwork
from engines.protocol import DocumentError

STATE_BYTES = 256_000_000  # hidden states, and what the perceiver makes of them, at a time


@dataclass(frozen=True, slots=True)
class ChunkRead:
    """One chunk of ``chunks`` has been read and its LoRA generated.

    ``number`` counts from 1, ``tokens`` are those of the document in the chunk.
    ``lora`` is that of this chunk alone.  ``read_seconds`` went into the reader,
    ``generate_seconds`` into the hypernetwork; chunks that were read together share their
    time evenly.
    """

    number: int
    chunks: int
    tokens: int
    read_seconds: float
    generate_seconds: float
    lora: GeneratedLora = field(repr=False)


def chunks_of(tokenizer: Any, text: str, config: HypernetworkConfig) -> list[list[int]]:
    """The document's chunks as token ids, each with the affixes around it.

    There are as few as ``config.chunk_tokens`` allows, and their lengths differ by one token
    at most.  (The published code cuts after the affixes have been put on, so its cuts lie a
    few tokens elsewhere.)

    Raises:
        DocumentError: if the document is empty or needs more than 64 chunks.
    """
    ids = document_tokens(tokenizer, text, config.affixes)
    return split(ids, config.chunk_tokens, config.affixes)


def split(ids: Sequence[int], chunk_tokens: int, affixes: Affixes) -> list[list[int]]:
    """``ids`` ``[tokens]`` in chunks of equal length, each with the affixes around it.

    Raises:
        DocumentError: if there are no ids, or more than 64 chunks.
    """
    if not ids:
        raise DocumentError("The document is empty: choose one with text in it.")
    count = math.ceil(len(ids) / chunk_tokens)
    if count > MAX_CHUNKS:
        raise DocumentError(
            f"The document has {len(ids):,} tokens, {count} chunks of {chunk_tokens}, and at most "
            f"{MAX_CHUNKS} can be put together: split it, or raise doc2lora.chunk_tokens to "
            f"{math.ceil(len(ids) / MAX_CHUNKS)} or more."
        )
    edges = [round(n * len(ids) / count) for n in range(count + 1)]
    before, after = list(affixes.prefix), list(affixes.suffix)
    return [[*before, *ids[start:end], *after] for start, end in pairwise(edges)]


def padded(chunks: Sequence[Sequence[int]], device: str | torch.device) -> tuple[Tensor, Tensor]:
    """Ids and mask, both ``[chunks, tokens]`` int64, padded with 0 on the right."""
    longest = max(map(len, chunks))
    ids = torch.tensor([[*chunk, *[0] * (longest - len(chunk))] for chunk in chunks])
    mask = torch.tensor([[1] * len(chunk) + [0] * (longest - len(chunk)) for chunk in chunks])
    return ids.to(device), mask.to(device)


@torch.no_grad()
def layer_states(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """Hidden states ``[chunks, layers, tokens, hidden]`` in the model's type.

    ``ids`` and ``mask`` are ``[chunks, tokens]``, padded on the right, so that no token sees
    padding.
    """
    layers = families.decoder_layers(model)
    states: list[Tensor] = []

    def keep(_module: Any, inputs: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        states.append(inputs[0] if inputs else named["hidden_states"])

    with ExitStack() as hooks:
        for layer in layers:
            handle = layer.register_forward_pre_hook(keep, with_kwargs=True)
            hooks.callback(handle.remove)
        model.base_model(input_ids=ids, attention_mask=mask, use_cache=False)
    states[-1] = families.final_norm(model)(states[-1])
    return torch.stack([state.to(ids.device) for state in states], dim=1)


def read_document(
    model: Any,
    network: Hypernetwork,
    chunks: Sequence[Sequence[int]],
    *,
    chunks_at_once: int | None = None,
    state_bytes: int = STATE_BYTES,
) -> Iterator[ChunkRead | GeneratedLora]:
    """Read chunk after chunk, as ``read_chunks``; the last event is the whole ``GeneratedLora``."""
    made: list[GeneratedLora] = []
    for read in read_chunks(
        model, network, chunks, chunks_at_once=chunks_at_once, state_bytes=state_bytes
    ):
        made.append(read.lora)
        yield read
    yield _together(made)


def read_chunks(
    model: Any,
    network: Hypernetwork,
    chunks: Sequence[Sequence[int]],
    *,
    chunks_at_once: int | None = None,
    state_bytes: int = STATE_BYTES,
) -> Iterator[ChunkRead]:
    """Read chunk after chunk; none of their LoRAs is kept here.

    Up to ``chunks_at_once`` chunks are read together (None means one on a CPU, where more are
    no faster, and 64 elsewhere), fewer if their hidden states wouldn't fit into
    ``state_bytes``.  States are freed once the perceiver has read them.  Closing the iterator
    stops between batches.

    Raises:
        DocumentError: if a chunk is longer than the model can read.
        EngineError: if the states or the LoRAs are not finite or of another base's shape.
    """
    _check_length(model, chunks)
    around = len(network.config.affixes)
    device = model.get_input_embeddings().weight.device
    at_once = chunks_at_once or (1 if device.type == "cpu" else MAX_CHUNKS)
    per_chunk = network.config.layers * max(map(len, chunks)) * network.config.hidden
    fitting = state_bytes // (per_chunk * model.dtype.itemsize)
    first = 0
    for batch in _batches(chunks, max(1, min(at_once, fitting))):
        began = _now(device)
        states, mask = _states(model, batch, device)
        read = _now(device)
        lora = _generated(network, states, mask, state_bytes)
        del states
        generated = _now(device)
        lora.checked(first, len(chunks))
        share = (read - began) / len(batch), (generated - read) / len(batch)
        for n, chunk in enumerate(batch):
            own = GeneratedLora(lora.a[n : n + 1], lora.b[n : n + 1], lora.bias_a, lora.bias_b)
            yield ChunkRead(first + n + 1, len(chunks), len(chunk) - around, *share, own)
        first += len(batch)


def _states(model: Any, batch: Sequence[Sequence[int]], device: Any) -> tuple[Tensor, Tensor]:
    ids, mask = padded(batch, device)
    return layer_states(model, ids, mask), mask


@torch.no_grad()
def _generated(
    network: Hypernetwork, states: Tensor, mask: Tensor, state_bytes: int
) -> GeneratedLora:
    own = network.bias_a.device
    at_once = layers_at_once(network.config, mask.numel(), state_bytes)
    made: GeneratedLora = network(states.to(own), mask.to(own), layers_at_once=at_once)
    return made.detached()


def layers_at_once(config: HypernetworkConfig, tokens: int, state_bytes: int = STATE_BYTES) -> int:
    """How many layers the perceiver can read together for ``tokens`` of all chunks."""
    widths = config.hidden + 3 * config.projection_hidden + 3 * config.latent
    return max(1, min(config.layers, state_bytes // (4 * widths * tokens)))


def _batches(chunks: Sequence[Sequence[int]], size: int) -> Iterator[Sequence[Sequence[int]]]:
    for start in range(0, len(chunks), size):
        yield chunks[start : start + size]


def _together(parts: Sequence[GeneratedLora]) -> GeneratedLora:
    a, b = torch.cat([p.a for p in parts]), torch.cat([p.b for p in parts])
    return GeneratedLora(a, b, parts[0].bias_a, parts[0].bias_b)


def _check_length(model: Any, chunks: Sequence[Sequence[int]]) -> None:
    if not chunks:
        raise DocumentError("The document is empty: choose one with text in it.")
    longest = max(map(len, chunks))
    limit = int(getattr(model.config, "max_position_embeddings", longest))
    if longest > limit:
        raise DocumentError(
            f"A chunk of {longest} tokens is longer than the {limit} that this model can read: "
            "lower doc2lora.chunk_tokens."
        )


def _now(device: Any) -> float:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
    return perf_counter()
