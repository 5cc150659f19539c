"""What a learn of Doc-to-LoRA tells while it goes on; nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass

from engines.protocol import Progress


@dataclass(frozen=True, slots=True)
class Doc2LoraProgress(Progress):
    """One chunk was read and became a LoRA, or what came after the last one.

    Stages are ``reading``, ``generating`` (a chunk is done), ``injecting`` and ``measuring``.
    Chunk ``chunk`` of ``chunks`` has ``chunk_tokens`` tokens of the document.  ``norms`` has
    the Frobenius norm of what this chunk's LoRA adds to each layer's weight, a row of the
    heatmap; ``total_norms`` that of all chunks so far together.  ``rank`` is that of the LoRA
    so far, ``effective_rank`` its effective rank, the mean over the layers; that is measured
    at chunks 1, 2, 4, 8 … and the last, and is the latest value in between.
    ``read_seconds`` went into the frozen reader, ``generate_seconds`` into the hypernetwork,
    ``inject_seconds`` into building the adapter, each from the beginning.  ``loss_before`` is
    the base's loss on the part that ``loss`` is measured on; ``answer_loss_before`` and
    ``answer_loss`` are mean nats per token of ``answers`` gold answers.  ``hypernetwork`` is
    its name; ``simulated`` is true where none was used and the LoRA is random.
    """

    chunk: int = 0
    chunks: int = 0
    chunk_tokens: int = 0
    norms: tuple[float, ...] = ()
    total_norms: tuple[float, ...] = ()
    rank: int = 0
    effective_rank: float | None = None
    read_seconds: float = 0.0
    generate_seconds: float = 0.0
    inject_seconds: float = 0.0
    loss_before: float | None = None
    answer_loss_before: float | None = None
    answer_loss: float | None = None
    answers: int = 0
    hypernetwork: str = ""
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class LoraFacts:
    """What is kept of one document: ``chunks`` LoRAs, together of rank ``rank``.

    ``norms`` and ``effective_rank`` are as in ``Doc2LoraProgress``; ``weight`` is how strongly
    the document counts (1 as learned).  ``hypernetwork`` names the one that made it, and
    ``identity`` its weights.
    """

    document_id: str
    title: str
    chunks: int
    rank: int
    norms: tuple[float, ...]
    effective_rank: float
    weight: float
    bytes: int
    hypernetwork: str
    identity: str
    simulated: bool
