"""Share of the machine's matmul throughput reached while learning, and what a reply costs.

    python benchmarks/ttt_speed.py [--runs 3] [--pairs 10]

``against_package.py`` and ``baselines.py`` compare with the other engines; this one asks how
far learning is from what the machine can do.

Floating point operations needed per token of the document, two per multiply-add, with
H hidden, I neurons, n of them open, A weights of a layer's attention projections, Q width of
its queries, c earlier positions seen on average, U upper layers, V vocabulary:
    forward   U · 2 · (A + 3·H·I + 3·H·n + 2·Q·c) + 2·H·V
    backward  to activations: (U − 1) · 2 · (A + 3·H·I + 3·H·n + 4·Q·c) + 2·H·n + 2·H·V
              to the open neurons' weights: U · 2 · 3·H·n
The first upper layer has nothing below that learns, so only its open neurons' activations
need a gradient.  Recomputation, norms, softmax, optimiser and what the layers below cost once
are not counted; nor are tokens of general text, as the retention term is off here.  Gradients
of earlier windows' keys and values are counted though not computed, about 1 % of the whole.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from reporting import publish, summary
from ttt_learn import documents

from cl_workbench import Document, ModelHost, Sampling, TTTEngine, TTTSettings, Turn
from engines import families
from engines.protocol import Piece
from engines.ttt.learner import steps_in_bfloat16

BATCH_TOKENS = 256
ROUNDS = 5  # matmul timings of which the best counts
PROMPT = [Turn("user", "Write a long story about a lighthouse and the people who keep it.")]
PLAIN = {
    "objective": "next_token",
    "mini_batch_size": BATCH_TOKENS,
    "retention": 0.0,
    "held_out_budget_percent": None,
    "forgetting_budget": None,
    "guard_every_batches": 1_000_000,  # never
}
CONDITIONS = {
    "all, float32": {"gate_threshold": 0.0, "precision": "float32"},
    "gate, float32": {"precision": "float32"},
    "gate, precision auto": {},
}


@dataclass(frozen=True)
class Settings:
    runs: int = 3
    passes: int = 4
    pairs: int = 10
    reply_tokens: int = 48


def needed_per_token(host: ModelHost, upper: int, opened: float, positions: float) -> float:
    """FLOPs of one token's forward and backward pass, by the formula above.

    ``opened`` is the open share (0..1) of the neurons, ``positions`` how many earlier
    positions a token attends to on average.
    """
    layer = families.decoder_layers(host.model)[-1]
    parts = families.gated_mlp_parts(layer.mlp)
    attention: Any = layer.self_attn
    projections = ("q_proj", "k_proj", "v_proj", "o_proj")
    a = sum(getattr(attention, name).weight.numel() for name in projections)
    frozen = 3 * parts.hidden * parts.neurons
    trained = frozen * opened
    scores = 2 * attention.q_proj.out_features * positions
    head = 2 * families.lm_head(host.model).weight.numel()
    forward = upper * 2 * (a + frozen + trained + scores) + head
    activations = (upper - 1) * 2 * (a + frozen + trained + 2 * scores) + 2 * trained / 3 + head
    return forward + activations + upper * 2 * trained


def matmul_throughput(host: ModelHost, kind: torch.dtype) -> float:
    """FLOP/s of matmuls of the MLP's shapes at ``BATCH_TOKENS``, the best of some."""
    parts = families.gated_mlp_parts(families.decoder_layers(host.model)[-1].mlp)
    work = 2 * BATCH_TOKENS * parts.hidden * parts.neurons
    repeats = max(1, round(1e10 / work))
    best = 0.0
    for layer in (parts.up, parts.down):
        x = torch.randn(BATCH_TOKENS, layer.in_features, dtype=kind)
        weight = torch.randn(layer.out_features, layer.in_features, dtype=kind)
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for _ in range(repeats):
                torch.nn.functional.linear(x, weight)
            best = max(best, repeats * work / (time.perf_counter() - began))
    return best


def mean_positions(tokens: int, context: int) -> float:
    """How many positions a token sees on average, itself included, in a text of ``tokens``."""
    windows = max(1, -(-tokens // BATCH_TOKENS))
    seen = 0.0
    for i in range(windows):
        start, end = tokens * i // windows, tokens * (i + 1) // windows
        seen += (end - start) * (min(start, context) + (end - start + 1) / 2)
    return seen / tokens


def learning_share(host: ModelHost, document: Document, s: Settings) -> Iterator[dict[str, Any]]:
    """Learning and matmuls in turn: achieved over possible in the same type, within each run."""
    for run in range(s.runs):
        for name, changed in CONDITIONS.items():
            settings = TTTSettings(gradient_steps=s.passes, seed=run, **(PLAIN | changed))
            engine = TTTEngine(host, settings)
            in_bfloat16 = steps_in_bfloat16(settings.precision, host.device)
            kind = torch.bfloat16 if in_bfloat16 else torch.float32
            before = matmul_throughput(host, kind)
            *_, report = engine.learn(document)
            possible = max(before, matmul_throughput(host, kind))
            positions = mean_positions(report.tokens, settings.context_tokens)
            opened = report.gate_open_share or 1.0
            needed = needed_per_token(host, len(engine.layers), opened, positions)
            achieved = needed * report.tokens_per_second
            yield {
                "condition": name,
                "run": run,
                "type": str(kind).removeprefix("torch."),
                "tokens_per_second": report.tokens_per_second,
                "flop_per_token": needed,
                "achieved_flop_per_second": achieved,
                "matmul_flop_per_second": possible,
                "share": achieved / possible,
            }


def seconds_per_token(pieces: Iterator[Piece]) -> float:
    """Of all tokens but the first, so that reading the prompt is not counted."""
    next(pieces)
    began = time.perf_counter()
    tokens = sum(piece.tokens for piece in pieces)
    return (time.perf_counter() - began) / max(1, tokens)


def reply_cost(host: ModelHost, document: Document, s: Settings) -> list[dict[str, float]]:
    """Time per token as learned over that of the base, in blocks of base, learned, learned, base.

    The answer is drawn at temperature 1, so that it does not end early or repeat itself.
    """
    engine = TTTEngine(host, TTTSettings(objective="next_token", gradient_steps=2))
    list(engine.learn(document))
    found = []
    for pair in range(s.pairs):
        sampling = Sampling(max_new_tokens=s.reply_tokens, temperature=1.0, seed=pair)
        makers = (host.reply, engine.reply, engine.reply, host.reply)
        a, b, c, d = (seconds_per_token(make(PROMPT, sampling)) for make in makers)
        found.append({"base": (a + d) / 2, "learned": (b + c) / 2, "ratio": (b + c) / (a + d)})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("runs", "passes", "pairs"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Settings, name))
    s = Settings(**vars(parser.parse_args()))
    host = ModelHost.load("embedded")
    document = documents(1)[0][0]
    list(TTTEngine(host, TTTSettings(gradient_steps=1, objective="next_token")).learn(document))
    shares = []
    for row in learning_share(host, document, s):
        shares.append(row)
        print(json.dumps(row), flush=True)
    replies = reply_cost(host, document, s)
    figures = ("tokens_per_second", "achieved_flop_per_second", "matmul_flop_per_second", "share")
    summaries = {
        name: {f: summary([row[f] for row in shares if row["condition"] == name]) for f in figures}
        for name in CONDITIONS
    }
    reply = {f: summary([one[f] for one in replies]) for f in ("base", "learned", "ratio")}
    cells = [["figure", *CONDITIONS]]
    for figure in figures:
        scale = 1e9 if "flop" in figure else 1.0
        label = figure.replace("flop_per_second", "GFLOP/s") if "flop" in figure else figure
        cells.append([label, *(_cell(summaries[name][figure], scale) for name in CONDITIONS)])
    types = {row["condition"]: row["type"] for row in shares}
    cells.append(["type of the steps and the matmuls", *(types[name] for name in CONDITIONS)])
    cells.append(["n", *(str(s.runs) for _ in CONDITIONS)])
    blank = [""] * (len(CONDITIONS) - 1)
    label = f"reply: time per token over the base's (n = {s.pairs})"
    cells.append([label, _cell(reply["ratio"], 1.0), *blank])
    threads = {"threads": torch.get_num_threads()}
    result = threads | {"learning": summaries, "reply": reply, "rows": shares, "replies": replies}
    publish("ttt_speed", result, cells)


def _cell(found: dict[str, Any], scale: float) -> str:
    low, high = (value / scale for value in found["interval"])
    return f"{found['mean'] / scale:.3g} [{low:.3g}, {high:.3g}]"


if __name__ == "__main__":
    main()
