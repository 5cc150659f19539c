"""What a user would do instead, to the same document NLL: LoRA, full finetuning, a plain loop.

    python benchmarks/baselines.py [--seeds 3] [--target 1.2] [--documents 1]

Methods, each in a process of its own, in turn within each seed:
    lora     PEFT LoRA, r = 16, alpha 32, on all linear layers, AdamW at 1e-3
    mlp      the MLPs of the last quarter of the layers, AdamW at 5e-4
    dual     a full copy of those MLPs blended with the frozen ones at α = 0.5, AdamW at 1e-3
    engine   TTT-E2E here with its defaults, next-token objective
    bare     the same without gate, retention and guard, windows of 256 tokens, all in float32

The first three are a plain training loop: windows of 256 tokens, each alone, four a step;
the seed shifts the windows.  Every method ends after the first pass that leaves the
document's NLL (``evaluation.py``) at or below the target.  Seconds are those of the gradient
steps, wall seconds with reading and measuring; memory is the peak of the process over what
it held before learning.
Needs nothing besides the project itself.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from evaluation import Item, Kept, Learnable, Taught
from plain_training import RATES, WINDOW, one_pass, prepared
from reporting import publish, summary
from scoring import Block
from torch import Tensor
from ttt_learn import documents

from cl_workbench import ModelHost, TTTEngine, TTTSettings

METHODS = ("lora", "mlp", "dual", "engine", "bare")
FIGURES = (
    "passes", "seconds", "wall_seconds", "tokens_per_second", "peak_bytes", "nll_before",
    "nll_after", "cloze_before", "cloze_after", "held_out_change_percent", "arc_before",
    "arc_after", "trivia_nll_change_percent",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    seeds: int = 3
    documents: int = 1
    target: float = 1.2
    passes: int = 40
    arc: int = 60


@dataclass(frozen=True)
class Taken:
    """How long learning took, and how to act as learned."""

    passes: int
    seconds: float  # of learning
    wall_seconds: float  # with reading and with measuring whether the target is reached
    tokens: int
    block: Block
    peak_bytes: int


def learnable(number: int) -> Learnable:
    """The five paragraphs of one article of paragraphs.jsonl, with their questions."""
    document, items = documents(number + 1)[number]
    return Learnable(document, tuple(Item(i.question, (i.answer,), i.lead) for i in items))


def plain(
    method: str, host: ModelHost, taught: Taught, ids: Tensor, first: int, seed: int, s: Settings
) -> Taken:
    """A plain training loop, until the target."""
    memory = Memory()
    model = prepared(method, host, first, seed)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATES[method], weight_decay=0.0)
    chance = torch.Generator().manual_seed(seed)
    passes, seconds, opened = 0, 0.0, time.perf_counter()
    while passes < s.passes:
        began = time.perf_counter()
        with torch.enable_grad():
            one_pass(model, optimizer, ids, chance)
        passes += 1
        seconds += time.perf_counter() - began
        peak = memory.peak()
        if taught.nll() <= s.target:
            break
    return Taken(passes, seconds, time.perf_counter() - opened, len(ids), nullcontext, peak)


def engines(method: str, host: ModelHost, one: Learnable, seed: int, s: Settings) -> Taken:
    """TTT-E2E here."""
    bare: dict[str, Any] = {
        "retention": 0.0, "gate_threshold": 0.0, "mini_batch_size": WINDOW,
        "precision": "float32",
        "held_out_budget_percent": None, "forgetting_budget": None,
    }  # fmt: skip
    settings = TTTSettings(
        objective="next_token",
        target_loss=s.target,
        gradient_steps=s.passes,
        seed=seed,
        **(bare if method == "bare" else {}),
    )
    engine = TTTEngine(host, settings)
    memory = Memory()
    *_, report = engine.learn(one.document)
    learning = report.passes * report.tokens / report.tokens_per_second
    return Taken(
        report.passes, learning, report.seconds, report.tokens, engine.active, memory.peak()
    )


class Memory:
    """The process's peak memory, in bytes over what it held when this was made."""

    def __init__(self) -> None:
        self._begin = _status("VmRSS")
        reset = Path("/proc/self/clear_refs")
        if reset.exists():
            reset.write_text("5")  # Linux: the peak begins anew here

    def peak(self) -> int:
        return _status("VmHWM") - self._begin


def _status(name: str) -> int:
    status = Path("/proc/self/status")
    if not status.exists():  # a whole run's peak, in bytes on macOS
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = status.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def child(method: str, number: int, seed: int, s: Settings) -> dict[str, Any]:
    """One method on one document: what it took, taught and cost."""
    host = ModelHost.load("embedded")
    one = learnable(number)
    lowest = TTTEngine(host).layers[0]
    first = 0 if method == "lora" else lowest
    taught, kept = Taught(host, one, first), Kept(host, first, arc=s.arc)
    before = taught.measure() | kept.measure()
    ids = host.encode(one.document.text)
    learn: Callable[[], Taken] = (
        (lambda: plain(method, host, taught, ids, lowest, seed, s))
        if method in RATES
        else (lambda: engines(method, host, one, seed, s))
    )
    taken = learn()
    after = taught.measure(taken.block) | kept.measure(taken.block)
    changes = {
        f"{label}_change_percent": 100 * (after[name] / before[name] - 1)
        for label, name in (("held_out", "held_out_nll"), ("trivia_nll", "trivia_nll"))
    }
    names = [name for name in ("nll", "cloze", "f1", "answer_nll", "arc") if name in before]
    return {
        "method": method,
        "document": one.document.title,
        "seed": seed,
        "passes": taken.passes,
        "seconds": taken.seconds,
        "wall_seconds": taken.wall_seconds,
        "tokens_per_second": taken.passes * taken.tokens / taken.seconds,
        "peak_bytes": taken.peak_bytes,
        **{f"{name}_before": before[name] for name in names},
        **{f"{name}_after": after[name] for name in names},
        **changes,
    }


def measured(methods: tuple[str, ...], s: Settings, options: list[str]) -> Iterator[dict[str, Any]]:
    for number in range(s.documents):
        for seed in range(s.seeds):
            for method in methods:
                command = [sys.executable, __file__, *options, "--child", method]
                command += [str(number), str(seed)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(f"{method} failed:\n{done.stderr[-2000:]}")
                print(done.stdout.splitlines()[-1], flush=True)
                yield json.loads(done.stdout.splitlines()[-1])


def ratios(results: list[dict[str, Any]], methods: tuple[str, ...]) -> dict[str, Any]:
    """Our speed and forgetting over each other method's, paired by document and seed.

    Forgetting is a ratio of means, as a single method's rise may be next to nothing.
    """
    cases = {(r["method"], r["document"], r["seed"]): r for r in results}
    found: dict[str, Any] = {}
    for ours in [m for m in methods if m not in RATES]:
        for other in [m for m in methods if m in RATES]:
            pairs = [
                (row, cases[other, title, seed])
                for (method, title, seed), row in cases.items()
                if method == ours
            ]
            found[f"{ours} over {other}"] = {
                "tokens_per_second": summary(
                    [a["tokens_per_second"] / b["tokens_per_second"] for a, b in pairs]
                ),
                "seconds": summary([a["seconds"] / b["seconds"] for a, b in pairs]),
                "held_out_change": fmean(a["held_out_change_percent"] for a, _ in pairs)
                / fmean(b["held_out_change_percent"] for _, b in pairs),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("seeds", "documents", "passes", "arc"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Settings, name))
    parser.add_argument("--target", type=float, default=Settings.target)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    a = parser.parse_args()
    s = Settings(a.seeds, a.documents, a.target, a.passes, a.arc)
    if a.child:
        print(json.dumps(child(a.child[0], int(a.child[1]), int(a.child[2]), s)))
        return
    options = [f"--target={s.target}", f"--passes={s.passes}", f"--arc={s.arc}"]
    methods = tuple(a.methods)
    results = list(measured(methods, s, options))
    summaries = {
        m: {f: summary([r[f] for r in results if r["method"] == m and f in r]) for f in FIGURES}
        for m in methods
    }
    cells = [["figure", *methods]]
    for figure in FIGURES:
        scale = 1e6 if figure == "peak_bytes" else 1
        shown = [summaries[m][figure] for m in methods]
        label = "peak memory (MB)" if figure == "peak_bytes" else figure
        cells.append([label, *(_cell(one, scale) for one in shown)])
    cells.append(["n", *(str(summaries[m]["seconds"]["n"]) for m in methods)])
    found = {"target_nll": s.target, "summary": summaries, "ratios": ratios(results, methods)}
    publish("ttt_speed_baselines", found | {"results": results}, cells)


def _cell(found: dict[str, Any], scale: float) -> str:
    low, high = (value / scale for value in found["interval"])
    return f"{found['mean'] / scale:.3g} [{low:.3g}, {high:.3g}]"


if __name__ == "__main__":
    main()
