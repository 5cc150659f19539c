"""What TTT-E2E learns, what it costs, and how fast, on the embedded model.

    python benchmarks/ttt_learn.py [--documents 4] [--seeds 3] [--set gate_threshold=0]

For each document (five paragraphs of one Wikipedia article) and seed (the order of the
mini-batches): NLL of the document, cloze recall (greedy continuation of a sentence up to
the answer), NLL of the gold answer given only the question, and NLL of held-out text,
before and after learning.  Two controls can be run beside the gate: all neurons open, and as
many as the gate opens, drawn at random (at the same passes, not at the same NLL).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conditions import ranked_as
from reporting import publish, summary

from cl_workbench import Document, LearnReport, ModelHost, Sampling, TTTEngine, TTTSettings, Turn

PARAGRAPHS = Path(__file__).parent / "data" / "paragraphs.jsonl"


@dataclass(frozen=True)
class Settings:
    documents: int = 4
    seeds: int = 3
    model: str = "embedded"
    conditions: tuple[str, ...] = ("gate",)
    ttt: TTTSettings = field(default_factory=TTTSettings)


@dataclass(frozen=True)
class Item:
    question: str
    answer: str
    lead: str


def documents(limit: int) -> list[tuple[Document, list[Item]]]:
    rows = [json.loads(line) for line in PARAGRAPHS.read_text(encoding="utf-8").splitlines()]
    articles: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        articles.setdefault(row["title"], []).append(row)
    found = []
    for title, group in list(articles.items())[:limit]:
        text = "\n\n".join(dict.fromkeys(row["context"] for row in group))
        items = [item(row) for row in group]
        found.append((Document.from_text(text, title), [i for i in items if len(i.lead) >= 20]))
    return found


def item(row: dict[str, Any]) -> Item:
    answer = row["answers"][0]
    before = row["context"][: row["context"].find(answer)]
    return Item(row["question"], answer, before[before.rfind(". ") + 1 :].strip())


def cloze_recall(host: ModelHost, engine: TTTEngine, items: list[Item]) -> float:
    """Share of items whose answer the model writes next, greedily, without penalty."""
    right = 0
    for one in items:
        length = len(host.encode(" " + one.answer)) + 2
        sampling = Sampling(max_new_tokens=length, repetition_penalty=1.0)
        pieces = host.generate(host.encode(one.lead), sampling, around=engine.active)
        text = "".join(piece.text for piece in pieces).strip().lower()
        right += text.startswith(one.answer.lower())
    return right / len(items)


def answer_nll(host: ModelHost, engine: TTTEngine, items: list[Item]) -> float:
    """Mean nats per token of the gold answer, given only the question."""
    total = 0.0
    for one in items:
        with engine.active():
            total += host.negative_log_likelihood(
                host.prompt([Turn("user", one.question)]), host.encode(one.answer)
            )
    return total / len(items)


def settings_for(condition: str, settings: TTTSettings, seed: int) -> TTTSettings:
    chosen = replace(settings, seed=seed)
    return replace(chosen, gate_threshold=0.0) if condition == "all" else chosen


def measure(host: ModelHost, settings: Settings) -> list[dict[str, Any]]:
    results = []
    for document, items in documents(settings.documents):
        untaught = TTTEngine(host, settings.ttt)
        before = {
            "cloze": cloze_recall(host, untaught, items),
            "answer_nll": answer_nll(host, untaught, items),
        }
        for condition in settings.conditions:
            for seed in range(settings.seeds):
                engine = TTTEngine(host, settings_for(condition, settings.ttt, seed))
                with ranked_as(condition, seed):
                    *_, report = engine.learn(document)
                results.append(row(host, engine, report, condition, seed, items, before))
                print(json.dumps(results[-1]), flush=True)
    return results


def row(
    host: ModelHost,
    engine: TTTEngine,
    report: LearnReport,
    condition: str,
    seed: int,
    items: list[Item],
    before: dict[str, float],
) -> dict[str, Any]:
    held_before, held_after = report.held_out_loss_before, report.held_out_loss_after
    return {
        "document": report.title,
        "tokens": report.tokens,
        "condition": condition,
        "seed": seed,
        "open_share": report.gate_open_share,
        "seconds": report.seconds,
        "tokens_per_second": report.tokens_per_second,
        "nll_before": report.loss_before,
        "nll_after": report.loss_after,
        "held_out_before": held_before,
        "held_out_after": held_after,
        "held_out_change_percent": 100 * (held_after / held_before - 1),
        "cloze_before": before["cloze"],
        "cloze_after": cloze_recall(host, engine, items),
        "answer_nll_before": before["answer_nll"],
        "answer_nll_after": answer_nll(host, engine, items),
        "items": len(items),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=Settings.documents)
    parser.add_argument("--seeds", type=int, default=Settings.seeds)
    parser.add_argument("--model", default=Settings.model)
    parser.add_argument(
        "--conditions",
        nargs="+",
        choices=("gate", "all", "random"),
        default=list(Settings.conditions),
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER")
    arguments = parser.parse_args()
    changed = {name: json.loads(value) for name, value in (s.split("=") for s in arguments.set)}
    settings = Settings(
        documents=arguments.documents,
        seeds=arguments.seeds,
        model=arguments.model,
        conditions=tuple(arguments.conditions),
        ttt=replace(TTTSettings(), **changed),
    )
    results = measure(ModelHost.load(settings.model), settings)
    figures = (
        "seconds", "tokens_per_second", "nll_before", "nll_after", "held_out_change_percent",
        "cloze_before", "cloze_after", "answer_nll_before", "answer_nll_after",
    )  # fmt: skip
    summaries = {
        condition: {
            figure: summary([r[figure] for r in results if r["condition"] == condition])
            for figure in figures
        }
        for condition in settings.conditions
    }
    rows = [["figure", *settings.conditions]]
    for figure in figures:
        cells = [summaries[c][figure] for c in settings.conditions]
        shown = [f"{c['mean']:.3f} [{c['interval'][0]:.3f}, {c['interval'][1]:.3f}]" for c in cells]
        rows.append([figure, *shown])
    n = len(results) // len(settings.conditions)
    rows.append(["n (documents × seeds)", *[str(n)] * len(settings.conditions)])
    publish("ttt_learn", {"summary": summaries, "results": results}, rows)


if __name__ == "__main__":
    main()
