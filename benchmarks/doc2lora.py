"""What a generated LoRA knows of its document, what it disturbs, and what it costs.

    python benchmarks/doc2lora.py [--part qa needle unrelated cost] [--hypernetwork FOLDER]
        [--data DIR] [--questions 300] [--distil 10] [--set context_strength=0.8]
    python benchmarks/doc2lora.py --summarise

Each row is appended to results/doc2lora.rows.jsonl when it is measured and not measured
again, so a run can be stopped; rows of the base alone serve every hypernetwork.  The last
call makes results/doc2lora.json of one hypernetwork's rows, and Markdown tables.

Parts:
    qa          questions on SQuAD paragraphs never trained on, greedy answers:
                closed (base), lora (its paragraph learned), other (another paragraph learned),
                context (base, paragraph in view), distilled (see ``doc2lora_distil.py``)
    needle      a made-up fact in 64..4096 tokens of filler: closed, lora, context
    unrelated   held-out text and questions that no document answers, before and after
    cost        learn seconds and peak memory by chunks, over one forward pass
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from doc2lora_bench import CHUNKS, LENGTHS, PARTS, Bench, Settings
from doc2lora_cost import case
from doc2lora_rows import Row, Rows
from doc2lora_tables import publish_tables
from reporting import RESULTS

from engines.doc2lora import shipped, stored
from engines.doc2lora.engine import Doc2LoraEngine
from engines.doc2lora.settings import Doc2LoraSettings
from engines.host import ModelHost

ROWS = RESULTS / "doc2lora.rows.jsonl"


def run(bench: Bench, parts: Sequence[str], rows: Rows) -> None:
    """Measure what isn't there yet."""
    for part in parts:
        for job in bench.jobs(part):
            if all(key in rows for key in job.keys):
                continue
            for key, found in zip(job.keys, job.measure(), strict=True):
                if key not in rows:
                    rows.add(key | found)


def asked_for(bench: Bench, rows: Rows) -> list[Row]:
    """The rows of every part that were measured by now, as the settings are."""
    keys = (key for part in PARTS for job in bench.jobs(part) for key in job.keys)
    return [row for key in keys if (row := rows.get(key)) is not None]


def opened(arguments: argparse.Namespace) -> tuple[ModelHost, Doc2LoraEngine, Row]:
    """The model, the engine, and what is to be told of the hypernetwork."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    host = ModelHost.load(arguments.model, device=arguments.device, dtype=arguments.dtype)
    folder = shipped.find(arguments.hypernetwork, host)
    changed = changed_settings(arguments.set)
    settings = Doc2LoraSettings(**({"measure_tokens": 0, "measure_questions": 0} | changed))
    engine = Doc2LoraEngine(host, folder, settings)
    origin = engine._maker.origin
    manifest = stored.read_manifest(folder)
    told = {
        "name": origin.name,
        "identity": origin.identity,
        "card": manifest["card"],
        "config": manifest["config"],
    }
    return host, engine, told


def changed_settings(given: Sequence[str]) -> dict[str, Any]:
    """``NAME=VALUE`` as settings of the engine; values are JSON."""
    pairs = (one.split("=", 1) for one in given)
    return {name: json.loads(value) for name, value in pairs}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--part", nargs="+", choices=(*PARTS, "all"), default=["all"])
    made.add_argument("--model", default="embedded", help="a name, folder, GGUF file or hub id")
    made.add_argument("--hypernetwork", default="auto", help="a folder, or a shipped one's name")
    made.add_argument("--data", type=Path, help="the folder of the source data; else the store")
    made.add_argument("--device", default="auto")
    made.add_argument("--dtype", default="auto")
    made.add_argument("--threads", type=int, default=0)
    made.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    for name in (
        "questions", "distil", "needles", "ceiling", "unrelated", "arc", "trivia", "repeats",
        "seed", "new_tokens", "steps",
    ):  # fmt: skip
        made.add_argument("--" + name.replace("_", "-"), type=int, default=getattr(Settings, name))
    made.add_argument("--rate", type=float, default=Settings.rate)
    made.add_argument("--answers", choices=("generated", "gold"), default=Settings.answers)
    made.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS))
    made.add_argument("--chunks", type=int, nargs="+", default=list(CHUNKS))
    made.add_argument("--summarise", action="store_true", help="make the tables and end")
    made.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    return made


def settings_from(a: argparse.Namespace) -> Settings:
    parts = PARTS if "all" in a.part else tuple(a.part)
    counts = {
        name: getattr(a, name)
        for name in (
            "questions", "distil", "needles", "ceiling", "unrelated", "arc", "trivia",
            "repeats", "seed", "new_tokens", "steps", "rate", "answers", "data",
        )
    }  # fmt: skip
    return Settings(
        parts=parts,
        lengths=tuple(a.lengths),
        chunks=tuple(a.chunks),
        changed=changed_settings(a.set),
        **counts,
    )


def child_options(a: argparse.Namespace) -> Iterator[str]:
    """The options by which a child opens the same model and hypernetwork."""
    for name in ("model", "hypernetwork", "device", "dtype", "threads"):
        yield f"--{name}={getattr(a, name)}"
    yield from (f"--set={one}" for one in a.set)


def main() -> None:
    arguments = parser().parse_args()
    settings = settings_from(arguments)
    host, engine, hypernetwork = opened(arguments)
    if arguments.child:
        what, chunks = arguments.child
        print(json.dumps(case(what, int(chunks), host, engine)))
        return
    bench, rows = Bench(engine, settings, Path(__file__), [*child_options(arguments)]), Rows(ROWS)
    run(bench, () if arguments.summarise else settings.parts, rows)
    told = {
        "model": host.name,
        "precision": host.dtype,
        "device": _device(host),
        "threads": torch.get_num_threads(),
        "seed": settings.seed,
        "settings": asdict(settings) | {"data": None if settings.data is None else "--data"},
        "hypernetwork": hypernetwork,
    }
    publish_tables(asked_for(bench, rows), told)


def _device(host: ModelHost) -> str:
    if host.device.startswith("cuda"):
        return str(torch.cuda.get_device_name(host.device))
    return host.device


if __name__ == "__main__":
    main()
