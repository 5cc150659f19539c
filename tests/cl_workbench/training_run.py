"""A training run that a test can do: a tiny base model, three contexts, a few steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CONTEXTS = (
    ("The mill at Orr was built in 1811 by Hanne Lund.", "Who built the mill?", "Hanne Lund"),
    ("The harbour of Vell was dug by forty women.", "Who dug the harbour?", "forty women"),
    ("The aviary of Tarn keeps sixty grey parrots.", "What does it keep?", "sixty grey parrots"),
)


def write_config(folder: Path, model: Path, **changes: Any) -> Path:
    """``config.yaml`` in ``folder`` and the data beside it, for two steps on the CPU."""
    rows = [
        {"context": f"{text} Its number is {n}.", "question": question, "answers": [answer]}
        for n in range(20)
        for text, question, answer in CONTEXTS
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "facts.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    config = {
        "base_model": str(model),
        "device": "cpu",
        "data": str(folder),
        "run_folder": str(folder / "run"),
        "network": {
            "latent": 16, "latents": 3, "blocks": 1, "heads": 2, "kv_heads": 1, "head_dim": 8,
            "block_hidden": 16, "head_hidden": 16, "projection_hidden": 16, "rank": 2,
            "chunk_tokens": 64,
        },
        "sources": {"facts": {"path": "facts.jsonl"}},
        "stages": [{"steps": 2, "sources": {"facts": 1}, "context_tokens": [1, 200]}],
        "teacher": {"answers": "gold", "top_k": 4},
        "optimiser": {"contexts": 2, "contexts_at_once": 2, "warmup_steps": 1},
        "watch": {
            "log_steps": 1, "evaluate_steps": 2, "held_out_percent": 10, "held_out_contexts": 2,
            "samples": 1,
        },
    }  # fmt: skip
    path = folder / "config.yaml"
    path.write_text(json.dumps(config | changes), encoding="utf-8")  # JSON is YAML
    return path
