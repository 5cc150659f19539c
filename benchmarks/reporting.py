"""What every benchmark prints: the machine, a small table, and a JSON file."""

from __future__ import annotations

import json
import os
import platform
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

# As the program itself does, before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Processor, cores, system and library versions; no host name, no path."""
    from importlib.metadata import version

    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        processor = names[0] if names else processor
    libraries = {name: version(name) for name in ("torch", "transformers", "textual")}
    return {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **libraries,
    }


def interval(values: Sequence[float], *, seed: int = 0, resamples: int = 2000) -> list[float]:
    """The 95 % bootstrap interval of the mean of ``values``."""
    chance = random.Random(seed)
    means = sorted(fmean(chance.choices(values, k=len(values))) for _ in range(resamples))
    return [means[int(resamples * 0.025)], means[int(resamples * 0.975) - 1]]


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Mean, 95 % interval and n."""
    return {"mean": fmean(values), "interval": interval(values), "n": len(values)}


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0..1) of ``values`` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text, aligned; the first one is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def publish(name: str, result: dict[str, Any], rows: Sequence[Sequence[str]]) -> None:
    """Print the table, and write ``results/NAME.json`` with machine and command."""
    whole = {"benchmark": name, "command": " ".join(sys.argv), "machine": machine(), **result}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(table(rows))
    print(f"\n{machine()['processor']}, {machine()['cores']} cores; {path.name} holds every value")
