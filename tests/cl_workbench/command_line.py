"""Running the program, in this process or in its own, and a tiny model for it to load."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from tests.engines.tiny import tiny_model, tiny_tokenizer

ROOT = Path(__file__).resolve().parents[2]

TEXT = (
    "# The mill at Orr\n\nThe mill at Orr was built in 1811 by Hanne Lund. It grinds rye and "
    "oats for nine farms, and its wheel is made of elm. The miller counts the sacks at dusk."
)

QUICK = {
    "ttt.objective": "next_token",
    "ttt.retention": "0",
    "guard.forgetting_budget": "null",
    "ttt.gradient_steps": "2",
    "ttt.mini_batch_size": "32",
    "ttt.context_tokens": "16",
    "tfidf_gate.calibration_samples": "4",
    "generation.max_new_tokens": "6",
}


@lru_cache(maxsize=4)
def save_tiny(folder: Path) -> Path:
    """A tiny random Llama with its tokenizer, as a local model folder."""
    tiny_model().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def quick(model: Path) -> list[str]:
    """Global options for a quick run with the model in ``model``."""
    options = []
    for key, value in (QUICK | {"model.name": str(model)}).items():
        options += ["--set", f"{key}={value}"]
    return options


def start(*arguments: str, **options: object) -> subprocess.Popen[str]:
    """The program in a process of its own, with pipes for what it writes."""
    return subprocess.Popen(
        [sys.executable, "-m", "cl_workbench", *arguments],
        stdin=options.pop("stdin", subprocess.DEVNULL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        **options,
    )


def program(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """The program run to its end in a process of its own."""
    process = start(*arguments, stdin=subprocess.PIPE)
    out, err = process.communicate(text or "")
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)
