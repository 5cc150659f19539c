"""A tiny host, a tiny document and a learn that is quick, for the engine's tests."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from engines.host import ModelHost
from engines.protocol import Document, LearnReport
from engines.ttt.engine import TTTEngine
from engines.ttt.settings import TTTSettings
from tests.engines.tiny import tiny_model, tiny_tokenizer

QUICK = {
    "gradient_steps": 4,
    "mini_batch_size": 32,
    "context_tokens": 32,
    "learning_rate": 3e-3,
    "gate_calibration_samples": 6,
    "gate_threshold": 0.75,
    "held_out_budget_percent": None,
    "forgetting_budget": None,
    "objective": "next_token",
    "retention": 0.0,
}
HARBOUR = Document.from_text(
    "# Vell harbour\n\nThe harbour of Vell was dug in 1742 by forty women from Oster. "
    "Its crane is made of black larch and lifts nine barrels at a time. Every evening the "
    "harbour master, Ilse Brandt, counts the boats and writes the number on a slate."
)
AVIARY = Document.from_text(
    "# The aviary of Tarn\n\nThe aviary of Tarn keeps sixty grey parrots under a roof of blue "
    "glass. Its founder, Matis Orrel, sold two windmills to pay for it in 1888, and no bird "
    "has flown away since the second gate was hung."
)


def tiny_host(family: str = "llama", **model: object) -> ModelHost:
    return ModelHost(
        model=tiny_model(family, **model),  # type: ignore[arg-type]
        tokenizer=tiny_tokenizer(),
        name=f"tiny {family}",
    )


def tiny_engine(
    host: ModelHost | None = None, cache: Path | None = None, **settings: object
) -> TTTEngine:
    return TTTEngine(
        host or tiny_host(),
        TTTSettings(**(QUICK | settings)),  # type: ignore[arg-type]
        cache=cache,
    )


def learn(engine: TTTEngine, document: Document) -> LearnReport:
    last = list(engine.learn(document))[-1]
    assert isinstance(last, LearnReport)
    return last


@torch.no_grad()
def logits(host: ModelHost, text: str = "The harbour of") -> Tensor:
    return host.model(input_ids=host.encode(text).unsqueeze(0), use_cache=False).logits


def learned_logits(engine: TTTEngine) -> Tensor:
    with engine.active():
        return logits(engine.host)
