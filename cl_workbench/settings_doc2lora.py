"""The settings of Doc-to-LoRA."""

from __future__ import annotations

from cl_workbench.setting import Setting
from engines.doc2lora.config import MAX_CHUNKS
from engines.doc2lora.settings import (
    FEWEST_CHUNK_TOKENS,
    MODES,
    MOST_CHUNK_TOKENS,
    MOST_STRENGTH,
    PRECISIONS,
    Doc2LoraSettings,
)

_D2L = Doc2LoraSettings()

DOC2LORA_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "doc2lora.mode",
        "text",
        _D2L.mode,
        "what becomes a LoRA: what a document says (doc), or the description of a task (text)",
        choices=MODES,
    ),
    Setting(
        "doc2lora.hypernetwork",
        "text",
        _D2L.hypernetwork,
        "which hypernetwork: auto, the name of a shipped or published one, or a folder; auto is "
        "the one that is here for the loaded model",
    ),
    Setting(
        "doc2lora.chunk_tokens",
        "whole",
        _D2L.chunk_tokens,
        "the longest part of a document that is read at once; null is what the hypernetwork was "
        "trained on",
        unit="tokens",
        low=FEWEST_CHUNK_TOKENS,
        high=MOST_CHUNK_TOKENS,
        nullable=True,
    ),
    Setting(
        "doc2lora.max_chunks",
        "whole",
        _D2L.max_chunks,
        "how many chunks of a document are read at most; the rank, and with it what is kept, "
        "grows with them",
        unit="chunks",
        low=1,
        high=MAX_CHUNKS,
    ),
    Setting(
        "doc2lora.chunks_at_once",
        "whole",
        _D2L.chunks_at_once,
        "how many chunks are read together; more takes more memory, null is as many as the "
        "device does well",
        unit="chunks",
        low=1,
        high=MAX_CHUNKS,
        nullable=True,
    ),
    Setting(
        "doc2lora.context_strength",
        "number",
        _D2L.context_strength,
        "what multiplies the LoRAs of the documents: 1 is as they were generated, 0 leaves them "
        "out",
        low=0,
        high=MOST_STRENGTH,
    ),
    Setting(
        "doc2lora.bias_strength",
        "number",
        _D2L.bias_strength,
        "what multiplies the LoRA that the hypernetwork adds for every document alike",
        low=0,
        high=MOST_STRENGTH,
    ),
    Setting(
        "doc2lora.precision",
        "text",
        _D2L.precision,
        "the type in which LoRAs are kept; auto is bfloat16 where the base model has it, else "
        "float32",
        choices=PRECISIONS,
    ),
    Setting(
        "doc2lora.measure_tokens",
        "whole",
        _D2L.measure_tokens,
        "how much of a document's beginning its losses are measured on; 0 measures none",
        unit="tokens",
        low=0,
        high=1_000_000,
    ),
    Setting(
        "doc2lora.measure_questions",
        "whole",
        _D2L.measure_questions,
        "how many of a document's own questions its answers' loss is measured on; 0 measures none",
        unit="questions",
        low=0,
        high=100_000,
    ),
    Setting(
        "doc2lora.simulated",
        "text",
        "true" if _D2L.simulated else "false",
        "whether LoRAs are random and made without any hypernetwork, for tests: nothing is "
        "learned then, and every result is marked SIMULATED",
        choices=("false", "true"),
    ),
    Setting(
        "doc2lora.seed",
        "whole",
        _D2L.seed,
        "the start of the random numbers of simulated LoRAs",
        low=0,
        high=2**32 - 1,
    ),
)
