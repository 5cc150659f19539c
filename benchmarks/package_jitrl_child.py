"""Runs inside the environment of continual-learning-slm; see ``jitrl_package.py``.

    python package_jitrl_child.py MODEL_FOLDER TEXT_FILE QUESTION NEW_TOKENS TIMED_TOKENS THREADS

Prints one line of JSON.  It imports nothing of this project but the file beside it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from continual_learning.jitrl.full.engine import JitRLFullEngine
from continual_learning.jitrl.mvp.engine import JitRLMVPEngine
from package_child import loaded

SHORT = 4  # tokens of the answer that warms up


def counting(model: Any) -> list[int]:
    """Have ``model.generate`` note how many tokens each call wrote, in the list returned."""
    written: list[int] = []
    generate = model.generate

    def noted(**options: Any) -> Any:
        ids = generate(**options)
        written.append(ids.shape[1] - options["input_ids"].shape[1])
        return ids

    model.generate = noted
    return written


def answered(engine: Any, prompt: str, new_tokens: int, written: list[int]) -> dict[str, Any]:
    began = time.perf_counter()
    answer = engine.generate(prompt, max_new_tokens=new_tokens)
    return {"answer": answer, "seconds": time.perf_counter() - began, "tokens": written[-1]}


def without_end(engine: Any, question: str, tokens: int, written: list[int]) -> dict[str, Any]:
    """An answer of exactly ``tokens`` tokens, for its time."""
    configuration = engine.model.generation_config
    ends, configuration.eos_token_id = configuration.eos_token_id, None
    found = answered(engine, question, tokens, written)
    configuration.eos_token_id = ends
    return {"timed_seconds": found["seconds"], "timed_tokens": found["tokens"]}


def main() -> None:
    folder, path, question, new_tokens, timed_tokens, threads = sys.argv[1:7]
    torch.set_num_threads(int(threads))
    text = Path(path).read_text(encoding="utf-8")
    model, tokenizer = loaded(folder)
    written = counting(model)
    turn = [{"role": "user", "content": question}]
    chat = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    # As its program makes them; the one that learns nothing is the model as it is.
    engines = {
        "base": JitRLFullEngine(model, tokenizer, modulation_temperature=0.5),
        "mvp": JitRLMVPEngine(model, tokenizer, top_k=3, bias_strength=2.0),
        "full": JitRLFullEngine(model, tokenizer, modulation_temperature=0.5),
    }
    rows = []
    for name, engine in engines.items():
        began = time.perf_counter()
        if name != "base":
            engine.learn(text)
        learned = time.perf_counter() - began
        engine.generate(question, max_new_tokens=SHORT)
        rows.append(
            {
                "engine": name,
                "learn_seconds": learned,
                **answered(engine, question, int(new_tokens), written),
                "chat_answer": engine.generate(chat, max_new_tokens=int(new_tokens)),
                **without_end(engine, question, int(timed_tokens), written),
            }
        )
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
