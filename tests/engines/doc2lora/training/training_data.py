"""Small data, settings and a base for training runs in tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engines.doc2lora.training.base import Base
from engines.doc2lora.training.settings import TrainingSettings
from engines.doc2lora.training.settings_file import settings_from
from tests.engines.tiny import tiny_model, tiny_tokenizer

NAMES = ("Tobias", "Rosa", "Harbour", "Grey", "Wind", "Lamp", "Storm", "Boat")
NETWORK = {
    "latent": 16, "latents": 3, "blocks": 1, "heads": 2, "kv_heads": 2, "head_dim": 8,
    "block_hidden": 16, "head_hidden": 16, "projection_hidden": 24, "rank": 2,
    "chunk_tokens": 40,
}  # fmt: skip


def base() -> Base:
    """A tiny random model without gradients for its weights."""
    return Base(tiny_model(layers=3).requires_grad_(False), tiny_tokenizer(), "tiny")


def rows(number: int = 24) -> list[dict[str, Any]]:
    """Two questions about each of ``number`` contexts."""
    made = []
    for n in range(number):
        keeper = NAMES[n % len(NAMES)]
        text = f"The keeper of lamp {n} is {keeper}. It was built in {1800 + n}."
        made.append({"context": text, "question": f"Who keeps lamp {n}?", "answers": [keeper, "x"]})
        year = str(1800 + n)
        made.append({"context": text, "question": f"When was {n} built?", "answers": [year]})
    return made


def write_rows(path: Path, listed: list[dict[str, Any]]) -> Path:
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in listed), "utf-8")
    return path


def settings(folder: Path, **changes: Any) -> TrainingSettings:
    """A run of a few steps on the rows, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "rows.jsonl", rows())
    values: dict[str, Any] = {
        "data": str(folder),
        "run_folder": str(folder / "run"),
        "store": str(folder / "teacher"),
        "network": NETWORK,
        "sources": {"rows": {"path": "rows.jsonl"}},
        "stages": [{"steps": 6, "sources": {"rows": 1}, "questions": 2}],
        "teacher": {"answers": "gold", "top_k": 4, "ahead": False, "shard_contexts": 5},
        "loss": {"gold": 0.5, "average": "token"},
        "optimiser": {
            "learning_rate": 0.01, "warmup_steps": 2, "contexts": 4, "contexts_at_once": 2,
        },
        "watch": {
            "log_steps": 2, "evaluate_steps": 3, "held_out_percent": 50, "samples": 1,
            "held_out_contexts": 4,
        },
        "device": "cpu",
    }  # fmt: skip
    return settings_from(_merged(values, changes))


def _merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for name, value in changes.items():
        known = values.get(name)
        both = isinstance(known, dict) and isinstance(value, dict) and name != "sources"
        values[name] = {**known, **value} if both else value
    return values
