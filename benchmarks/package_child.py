"""Runs inside the environment of continual-learning-slm; see ``against_package.py``.

    python package_child.py MODEL_FOLDER TEXT_FILE SEED PASSES THREADS

Prints one line of JSON.  It imports nothing of this project.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from continual_learning.config import DEFAULT_CONFIG
from continual_learning.model.dual_mlp import DualMLP
from continual_learning.model.modified_qwen import load_modified_model
from continual_learning.training.ttt_engine import TTTEngine
from transformers import AutoConfig


def loaded(folder: str) -> tuple[Any, Any]:
    """The model with the package's layers in its last quarter, set up as its own program does."""
    layers = AutoConfig.from_pretrained(folder).num_hidden_layers
    return load_modified_model(
        model_name=folder,
        device="cpu",
        start_layer=layers - max(1, round(layers / 4)),
        end_layer=layers,
        alpha_initial=DEFAULT_CONFIG["alpha"]["initial"],
        tfidf_threshold=DEFAULT_CONFIG["tfidf_gate"]["threshold"],
    )


@torch.no_grad()
def nll(model: Any, tokenizer: Any, text: str) -> float:
    """Mean nats per token of the whole text in one forward pass."""
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    logits = model(input_ids=ids).logits[0, :-1].float()
    return float(torch.nn.functional.cross_entropy(logits, ids[0, 1:]))


def main() -> None:
    folder, path, seed, passes, threads = sys.argv[1:6]
    torch.set_num_threads(int(threads))
    torch.manual_seed(int(seed))
    text = Path(path).read_text(encoding="utf-8")
    model, tokenizer = loaded(folder)
    duals = [layer.mlp for layer in model.model.layers if isinstance(layer.mlp, DualMLP)]
    learning = DEFAULT_CONFIG["ttt"]
    engine = TTTEngine(
        model=model,
        tokenizer=tokenizer,
        dual_mlps=duals,
        learning_rate=learning["learning_rate"],
        mini_batch_size=learning["mini_batch_size"],
        gradient_steps=learning["gradient_steps"],
        max_tokens=learning["max_tokens_per_document"],
    )
    before = nll(model, tokenizer, text)
    began = time.perf_counter()
    seen = sum(engine.learn(text)["tokens_processed"] for _ in range(int(passes)))
    seconds = time.perf_counter() - began
    found = {
        "tokens": seen // int(passes),
        "passes": int(passes),
        "seconds": seconds,
        "tokens_per_second": seen / seconds,
        "nll_before": before,
        "nll_after": nll(model, tokenizer, text),
        "modified_layers": len(duals),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
