"""A tiny Doc-to-LoRA engine with a random hypernetwork, for the engine's tests."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from engines.doc2lora.engine import Doc2LoraEngine
from engines.doc2lora.settings import Doc2LoraSettings
from engines.host import ModelHost
from engines.protocol import Document, LearnReport
from tests.engines.doc2lora.small_network import small_network
from tests.engines.learning import AVIARY, HARBOUR, logits, tiny_host

MILL = Document.from_text(
    "# The mill of Aske\n\nThe mill of Aske grinds oats at night only, because its wheel hangs in "
    "a tidal stream. Its owner, Runa Holt, keeps the key under a bell that nobody rings."
)
THREE = (HARBOUR, AVIARY, MILL)


def d2l_engine(
    host: ModelHost | None = None, *, seed: int = 0, sizes: Any = None, **settings: Any
) -> Doc2LoraEngine:
    host = host or tiny_host()
    network = small_network(host.model, seed, **(sizes or {}))
    return Doc2LoraEngine(host, network, Doc2LoraSettings(**settings))


def taught(engine: Doc2LoraEngine, *documents: Document) -> Doc2LoraEngine:
    for document in documents:
        learned(engine, document)
    return engine


def learned(engine: Doc2LoraEngine, document: Document) -> LearnReport:
    last = list(engine.learn(document))[-1]
    assert isinstance(last, LearnReport)
    return last


def as_learned(engine: Doc2LoraEngine) -> Tensor:
    with engine.active():
        return logits(engine.host)
