"""The folder of a training run as the trainer writes it, without any training."""

from __future__ import annotations

import math
from pathlib import Path

from engines.doc2lora.training.events import Evaluated, Prepared, Sample, Skipped, StepDone
from engines.doc2lora.training.run_folder import RunFolder

STEPS = 6000


def write_run(folder: Path, upto: int = 1500, state: str = "running") -> RunFolder:
    """A run that came to step ``upto``, with a line every 50 and an evaluation every 500."""
    run = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run.append(Prepared(str(folder), 38_112, 71_904, 64, 27_500_000, 0, STEPS))
    for step in range(0, upto + 1, 50):
        if step:
            run.append(step_done(step))
        if step % 500 == 0:
            run.append(evaluated(step))
            run.append(Sample(step, "abc", "Who built [b]the mill[/b]?", "Hanne Lund",
                              "The miller.", f"Hanne {step}", "Hanne Lund"))  # fmt: skip
    run.append(Skipped(700, "its loss is nan and the norm of its gradient inf"))
    run.status(state, upto, STEPS)
    return run


def step_done(step: int) -> StepDone:
    """The curve falls."""
    loss = 1.5 + 2.5 * math.exp(-step / 800)
    return StepDone(
        step, step // 3000, loss, loss * 0.5, loss * 0.9, 0.004, 4e-5, 0.7, 800, 2400, 1834.0,
        step * 1.25,
    )  # fmt: skip


def evaluated(step: int) -> Evaluated:
    """The LoRA's loss falls from the closed book's towards that in context."""
    gain = 0.6 * (1 - math.exp(-step / 900))
    return Evaluated(
        step, 64, 192, 3.4, 3.4 - 2.2 * gain, 3.3, 1.2, gain, gain * 0.8, 0.4, 0.2, 60.0, {},
        is_best=step > 0,
    )  # fmt: skip
