"""Seconds and peak memory of learning a document, beside one forward pass over its text.

Each case is a process of its own, so that what one has left in memory isn't there for the
next.  A first pass warms up; the second is timed.  The peak is that of both, in bytes over
what the process held with model and hypernetwork loaded.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from baselines import Memory
from doc2lora_data import as_file, long_text

from engines.doc2lora.engine import Doc2LoraEngine
from engines.doc2lora.events import Doc2LoraProgress
from engines.host import ModelHost
from engines.protocol import Document, LearnReport

CASES = ("forward", "learn")
_SHORTER = 4  # tokens less than whole chunks: inside a turn a text may have a few more


def case(what: str, chunks: int, host: ModelHost, engine: Doc2LoraEngine) -> dict[str, Any]:
    """One pass over ``chunks`` whole chunks of general text: tokens, seconds, peak bytes."""
    size = engine.settings.chunk_tokens or engine._maker.config.chunk_tokens

    def encode(text: str) -> list[int]:
        ids: list[int] = host.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    text = long_text(chunks * size - _SHORTER, encode, host.tokenizer.decode)
    document = as_file(text, f"{chunks} chunks")
    passes: dict[str, Callable[[], dict[str, Any]]] = {
        "forward": lambda: _forward(host, document),
        "learn": lambda: _learn(engine, document),
    }
    peak = _peak(host)
    passes[what]()
    began = time.perf_counter()
    told = passes[what]()
    seconds = time.perf_counter() - began
    return {"chunks": chunks, "seconds": seconds, "peak_bytes": peak(), **told}


@torch.no_grad()
def _forward(host: ModelHost, document: Document) -> dict[str, Any]:
    ids = host.encode(document.text)
    host.backbone(input_ids=ids[None], use_cache=False)
    _wait(host)
    return {"tokens": len(ids)}


def _learn(engine: Doc2LoraEngine, document: Document) -> dict[str, Any]:
    """Nothing is measured of the document, as ``settings`` has it."""
    engine.reset()
    engine.settings = replace(engine.settings, measure_tokens=0, measure_questions=0)
    last, report = None, None
    for event in engine.learn(document):
        if isinstance(event, Doc2LoraProgress):
            last = event
        elif isinstance(event, LearnReport):
            report = event
    with engine.active():
        _wait(engine.host)
    if last is None or report is None:
        raise SystemExit("The engine ended without a report.")
    return {
        "tokens": report.tokens_read,
        "chunks_read": report.chunks,
        "lora_bytes": engine.bytes_of(document.id),
        "read_seconds": last.read_seconds,
        "generate_seconds": last.generate_seconds,
        "inject_seconds": last.inject_seconds,
    }


def _wait(host: ModelHost) -> None:
    if host.device.startswith("cuda"):
        torch.cuda.synchronize(host.device)


def _peak(host: ModelHost) -> Callable[[], int]:
    if not host.device.startswith("cuda"):
        return Memory().peak
    begin = torch.cuda.memory_allocated(host.device)
    torch.cuda.reset_peak_memory_stats(host.device)
    return lambda: torch.cuda.max_memory_allocated(host.device) - begin


def in_own_process(script: Path, options: list[str], what: str, chunks: int) -> dict[str, Any]:
    """Run ``case`` by ``script --child`` with the same options.

    Raises:
        SystemExit: with the end of what it wrote, if it fails.
    """
    command = [sys.executable, str(script), *options, "--child", what, str(chunks)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{what} of {chunks} chunks failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
