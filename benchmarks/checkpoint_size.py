"""How large a checkpoint is at the dimensions of a 1.5B model, written for real.

    python benchmarks/checkpoint_size.py [--documents 3] [--open 0.5 0.25]

Random changes of the shapes that learning gives (Qwen2.5-1.5B: 7 of 28 layers modified,
8,960 neurons of width 1,536) are saved as the engine saves them; the size does not depend
on the values.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from reporting import publish

from engines import checkpoints
from engines.protocol import LearnReport
from engines.ttt import stored
from engines.ttt.dual_mlp import Neurons
from engines.ttt.ledger import Change, Entry

LAYERS, NEURONS, HIDDEN = range(21, 28), 8960, 1536
TOKENS = 1000


def entry(number: int, share: float) -> Entry:
    chance = torch.Generator().manual_seed(number)
    count = round(NEURONS * share)
    changes = {}
    for layer in LAYERS:
        index = torch.randperm(NEURONS, generator=chance)[:count].sort().values
        rows = [torch.randn(count, HIDDEN, generator=chance) * 1e-3 for _ in range(3)]
        changes[layer] = Change.of(Neurons(index, *rows))
    report = LearnReport(
        id=f"document{number}", title="random", path=None, tokens=TOKENS, tokens_read=TOKENS,
        loss_before=3.0, loss_after=1.0, held_out_loss_before=3.0, held_out_loss_after=3.0,
        seconds=1.0, tokens_per_second=1.0, gate_open_share=share, alpha=0.5,
        learned_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    return Entry(report, changes, torch.zeros(TOKENS, dtype=torch.int32))


def megabytes(documents: int, share: float) -> float:
    described, parts = stored.pack([entry(number, share) for number in range(documents)])
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "size"
        checkpoints.write(target, {"documents": described}, parts)
        return sum(path.stat().st_size for path in target.iterdir()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=3)
    parser.add_argument("--open", type=float, nargs="+", default=[0.5, 0.25])
    arguments = parser.parse_args()
    found: dict[str, Any] = {
        f"{share:g}": megabytes(arguments.documents, share) for share in arguments.open
    }
    rows = [["open share", f"MB for {arguments.documents} documents"]]
    rows += [[share, f"{size:.1f}"] for share, size in found.items()]
    publish("checkpoint_size", {"documents": arguments.documents, "megabytes": found}, rows)


if __name__ == "__main__":
    main()
