"""TTT-E2E here against the TTTEngine of continual-learning-slm 0.4.0, in one run.

    python benchmarks/against_package.py [--seeds 3] [--environment DIR]

The package is installed with pip into an environment of its own (kept in DIR for the
next time) and learns the same document with the same model, the embedded one, in turn
with our engine.  Both use their own defaults, the package as its command line sets them up:
the last quarter of the layers, windows of 32 tokens, Adam at 1e-5.  NLL is that of the whole
document in one forward pass, for both.  Ours is run twice: with its defaults, which hold to
general text and compute in bfloat16 where the processor is made for it, and bare: float32,
every neuron, no retention and no guard, as the package.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from reporting import publish, summary
from ttt_learn import documents

from cl_workbench import Document, ModelHost, TTTEngine, TTTSettings
from engines import models

PACKAGE = "continual-learning-slm==0.4.0"
HERE = Path(__file__).resolve().parent
CHILD = HERE / "package_child.py"
OURS: dict[str, dict[str, Any]] = {
    "ours": {},
    "ours, bare": {
        "precision": "float32",
        "mini_batch_size": 256,
        "gate_threshold": 0.0,
        "retention": 0.0,
        "held_out_budget_percent": None,
        "forgetting_budget": None,
        "guard_every_batches": 1_000_000,  # never
    },
}


@dataclass(frozen=True)
class Settings:
    seeds: int = 3
    passes: int = 3
    environment: Path = (
        models.default_cache().parent / "benchmarks" / "continual-learning-slm-0.4.0"
    )


def environment_python(settings: Settings) -> Path:
    """The package's own Python, installed once; pip decides where everything comes from."""
    python = settings.environment / "bin" / "python"
    marker = settings.environment / "installed"
    if not marker.exists():
        venv.create(settings.environment, with_pip=True, clear=True)
        pins = HERE.parent / "constraints.txt"
        install = [python, "-m", "pip", "install", "--quiet", "--no-input", "-c", pins, PACKAGE]
        if subprocess.run([str(part) for part in install], check=False).returncode:
            raise SystemExit(
                f"pip could not install {PACKAGE}. It needs torch, transformers, accelerate, jax, "
                "datasets, peft and scikit-learn with all that these need, about 2 GB."
            )
        marker.touch()
    return python


def package_run(python: Path, model: Path, text: Path, seed: int, passes: int) -> dict[str, Any]:
    command = [python, CHILD, model, text, seed, passes, torch.get_num_threads()]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"The package failed:\n{done.stderr[-2000:]}")
    return {"engine": "package", "seed": seed, **json.loads(done.stdout.splitlines()[-1])}


def our_run(host: ModelHost, document: Document, seed: int, name: str) -> dict[str, Any]:
    settings = TTTSettings(objective="next_token", seed=seed, **OURS[name])
    engine = TTTEngine(host, settings)
    ids = host.encode(document.text)
    before = host.negative_log_likelihood(ids[:1], ids[1:])
    *_, report = engine.learn(document)
    with engine.active():
        after = host.negative_log_likelihood(ids[:1], ids[1:])
    return {
        "engine": name,
        "seed": seed,
        "tokens": report.tokens,
        "passes": report.passes,
        "seconds": report.seconds,
        "tokens_per_second": report.tokens_per_second,
        "nll_before": before,
        "nll_after": after,
    }


def measure(settings: Settings) -> list[dict[str, Any]]:
    python = environment_python(settings)
    host = ModelHost.load("embedded")
    model = models.pull("embedded", models.default_cache())
    document = documents(1)[0][0]
    prepare = TTTSettings(objective="next_token", gradient_steps=1)
    list(TTTEngine(host, prepare).learn(document))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "document.txt"
        text.write_text(document.text, encoding="utf-8")
        for seed in range(settings.seeds):
            found.append(package_run(python, model, text, seed, settings.passes))
            found += [our_run(host, document, seed, name) for name in OURS]
            print("\n".join(json.dumps(row) for row in found[-3:]), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=Settings.seeds)
    parser.add_argument("--passes", type=int, default=Settings.passes, help="of the package")
    parser.add_argument("--environment", type=Path, default=Settings.environment)
    settings = Settings(**vars(parser.parse_args()))
    found = measure(settings)
    of = {name: [r for r in found if r["engine"] == name] for name in (*OURS, "package")}
    figures = ("tokens_per_second", "passes", "seconds", "nll_before", "nll_after")
    cells = [["figure", *of]]
    for name in figures:
        each = [summary([row[name] for row in rows]) for rows in of.values()]
        cells.append([name, *(_cell(one) for one in each)])
    ratios = {
        name: summary(
            [
                a["tokens_per_second"] / b["tokens_per_second"]
                for a, b in zip(of[name], of["package"], strict=True)
            ]
        )
        for name in OURS
    }
    cells.append(["tokens/s over the package's", *(_cell(r) for r in ratios.values()), ""])
    cells.append(["n", *(str(len(rows)) for rows in of.values())])
    publish("ttt_speed_package", {"package": PACKAGE, "ratios": ratios, "results": found}, cells)


def _cell(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['mean']:.4g} [{low:.4g}, {high:.4g}]"


if __name__ == "__main__":
    main()
