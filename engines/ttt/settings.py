"""What a user can set about TTT-E2E; ``benchmarks/ttt_truth.py`` shows what the defaults do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Objective = Literal["auto", "next_token", "self_study", "mixed"]
Precision = Literal["auto", "float32", "bfloat16"]
GuardAction = Literal["stop", "slower", "pause"]


@dataclass(frozen=True, slots=True)
class TTTSettings:
    """Settings of the TTT-E2E engine; ``configs/default.yaml`` explains each for users.

    ``layers_start`` and ``layers_end`` are layer numbers from 0, the end not included
    (21 and 28 are layers 21..27); None means the last quarter of the layers.
    ``max_tokens_per_document`` 0 reads everything.  ``gate_threshold`` is a rank within
    the layer: 0.75 lets the quarter of the neurons that is most particular to the
    document learn, 0 all; ``gate_top`` is the same as a number of neurons and goes before
    it.  ``retention`` weighs the KL divergence from the base model's answers against the
    document's loss, ``rehearsal`` is the share of that text which comes from earlier
    documents.  ``held_out_budget_percent`` is how much the held-out loss may rise
    over one document, ``forgetting_budget`` which share of the probed questions may be
    lost, before the guard acts; None never does.  ``guard_every_batches`` 0 looks once a
    pass.  ``target_loss`` ends learning once the document's loss is at or below it.
    """

    objective: Objective = "auto"
    learning_rate: float = 5e-4
    mini_batch_size: int = 64
    gradient_steps: int = 8
    context_tokens: int = 256
    max_tokens_per_document: int = 4096
    target_loss: float | None = None
    precision: Precision = "auto"
    weight_decay: float = 0.0
    gradient_clip: float = 1.0
    study_items: int = 48
    teacher_top_k: int = 16
    retention: float = 8.0
    retention_tokens: int = 64
    rehearsal: float = 0.5
    alpha_initial: float = 0.95
    alpha_decay_rate: float = 0.75
    alpha_min: float = 0.5
    gate_threshold: float = 0.5
    gate_top: int | None = None
    gate_recompute_passes: int = 0
    gate_calibration_samples: int = 120
    gate_corpus: Path | None = None
    held_out_corpus: Path | None = None
    held_out_budget_percent: float | None = 1.0
    forgetting_budget: float | None = 0.15
    guard_every_batches: int = 0
    guard_action: GuardAction = "slower"
    layers_start: int | None = None
    layers_end: int | None = None
    seed: int = 0
