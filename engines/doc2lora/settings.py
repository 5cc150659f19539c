"""What a user can set about Doc-to-LoRA; nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from engines.doc2lora.config import MAX_CHUNKS
from engines.protocol import EngineError

Mode = Literal["doc", "text"]
Precision = Literal["auto", "float32", "bfloat16"]

MODES: tuple[Mode, ...] = ("doc", "text")
PRECISIONS: tuple[Precision, ...] = ("auto", "float32", "bfloat16")
MOST_STRENGTH = 4.0
FEWEST_CHUNK_TOKENS, MOST_CHUNK_TOKENS = 16, 8192


@dataclass(frozen=True, slots=True)
class Doc2LoraSettings:
    """Settings of the Doc-to-LoRA engine; ``configs/default.yaml`` explains each for users.

    ``mode`` is ``doc`` (a document becomes a LoRA) or ``text`` (a task description does).
    ``hypernetwork`` is ``auto``, the name of a shipped or published one, or a folder; it is
    used where the engine is given none.  ``chunk_tokens`` (16..8192) is the longest chunk in
    tokens, None is what the hypernetwork was trained on; ``max_chunks`` (1..64) of them are
    read, ``chunks_at_once`` (1..64) together, None as many as the device does well.
    ``context_strength`` and ``bias_strength`` (0..4) multiply what the documents' LoRAs and
    the bias LoRA add.  ``precision`` is the type in which LoRAs are kept; ``auto`` is
    bfloat16 where the base has it, else float32.  Losses are measured on the first
    ``measure_tokens`` tokens and ``measure_questions`` questions of a document, 0 for none.
    ``simulated`` makes random LoRAs from ``seed`` without any hypernetwork, for tests.
    """

    mode: Mode = "doc"
    hypernetwork: str = "auto"
    chunk_tokens: int | None = None
    max_chunks: int = MAX_CHUNKS
    chunks_at_once: int | None = None
    context_strength: float = 1.0
    bias_strength: float = 1.0
    precision: Precision = "auto"
    measure_tokens: int = 256
    measure_questions: int = 8
    simulated: bool = False
    seed: int = 0

    def checked(self) -> Doc2LoraSettings:
        """These settings, if each is in its range.

        Raises:
            EngineError: with all that is wrong.
        """
        if faults := tuple(_faults(self)):
            raise EngineError(" ".join(faults))
        return self


def _faults(settings: Doc2LoraSettings) -> Iterator[str]:
    s = settings
    if s.mode not in MODES:
        yield f"doc2lora.mode is {s.mode!r}: choose doc or text."
    if s.precision not in PRECISIONS:
        yield f"doc2lora.precision is {s.precision!r}: choose one of {', '.join(PRECISIONS)}."
    fewest, most = FEWEST_CHUNK_TOKENS, MOST_CHUNK_TOKENS
    for name, value, low, high in (
        ("chunk_tokens", s.chunk_tokens, fewest, most),
        ("max_chunks", s.max_chunks, 1, MAX_CHUNKS),
        ("chunks_at_once", s.chunks_at_once, 1, MAX_CHUNKS),
        ("context_strength", s.context_strength, 0, MOST_STRENGTH),
        ("bias_strength", s.bias_strength, 0, MOST_STRENGTH),
    ):
        if value is not None and not low <= value <= high:
            yield f"doc2lora.{name} is {value:g}: choose a number from {low:g} to {high:g}."
    for name, count in (
        ("measure_tokens", s.measure_tokens),
        ("measure_questions", s.measure_questions),
    ):
        if count < 0:
            yield f"doc2lora.{name} is {count}: choose 0 (none) or more."
