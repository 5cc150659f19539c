"""What a training run is made of, as its YAML or JSON file says it.

Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engines.protocol import EngineError

Unit = Literal["whole", "sentence"]
Answers = Literal["gold", "generated"]
Average = Literal["token", "context"]
Precision = Literal["float32", "bfloat16"]


class TrainingSettingsError(EngineError):
    """A training configuration that can't be used; the message holds all that is wrong."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Where contexts with questions come from.

    Attributes:
        path: a ``.jsonl`` or ``.jsonl.gz`` file with ``context``, ``question`` and ``answers``
            on each line, relative to the data folder; or ``dataset:NAME`` for one of the hub, such
            as ``dataset:rajpurkar/squad@train``.  Empty for generated needles.
        unit: ``whole`` contexts, or the single ``sentence`` that holds a question's answer.
        completions: instead of the file's questions, ask how sentences of the context go on.
        swaps: how many more of each context to make, each with one answer replaced by another
            context's, so that answers can't be known by heart.
        needles: how many contexts with a made-up fact in filler text to generate instead; the
            filler is sentences of the other sources.
        needle_tokens: how long such a context is at least and at most, in tokens.
        limit: read no more than this many contexts; 0 reads all.
    """

    path: str = ""
    unit: Unit = "whole"
    completions: bool = False
    swaps: int = 0
    needles: int = 0
    needle_tokens: tuple[int, int] = (32, 256)
    limit: int = 0


@dataclass(frozen=True, slots=True)
class StageSettings:
    """A part of the curriculum.

    Attributes:
        steps: optimiser steps of this stage.
        sources: how often each source is drawn from, by its name; the numbers are relative.
        context_tokens: the shortest and the longest context, in tokens.
        chunks: into how many chunks a document is cut, at least and at most.
        min_chunk_tokens: no cut makes a chunk shorter than this, in tokens.
        questions: how many questions of a context are asked in a step, at most.
        distil: multiplies ``loss.distil`` in this stage; at 0 the teacher isn't asked.
    """

    steps: int
    sources: Mapping[str, float]
    context_tokens: tuple[int, int] = (1, 256)
    chunks: tuple[int, int] = (1, 1)
    min_chunk_tokens: int = 25
    questions: int = 4
    distil: float = 1.0


@dataclass(frozen=True, slots=True)
class TeacherSettings:
    """What the base model, with the document in view, is asked for.

    Attributes:
        answers: ``generated`` are the teacher's own, greedily, as published; ``gold`` are the
            data's, for a teacher too weak to answer.
        top_k: how many of its likeliest next tokens are kept at each token of an answer.
        max_answer_tokens: longer answers are cut there (generated) or left out (gold).
        ahead: ask for everything before the first step instead of when it is needed.
        shard_contexts: how many contexts go into one file of the store.
    """

    answers: Answers = "generated"
    top_k: int = 16
    max_answer_tokens: int = 64
    ahead: bool = True
    shard_contexts: int = 256


@dataclass(frozen=True, slots=True)
class LossSettings:
    """The weights of the loss.

    Attributes:
        distil: of the cross-entropy to the teacher's ``top_k`` probabilities.
        gold: of the plain cross-entropy to the answer's own tokens; 0 as published.
        l1: of the mean absolute size of the generated LoRA.
        average: over all answer ``token`` positions of a step, or over the questions of a
            context and then over each ``context`` alike, as published.
    """

    distil: float = 1.0
    gold: float = 0.0
    l1: float = 0.1
    average: Average = "context"


@dataclass(frozen=True, slots=True)
class OptimiserSettings:
    """AdamW, its schedule and what a step consists of.

    Attributes:
        learning_rate: at its peak.
        scaler_rate: the scalers' learning rate as a multiple of that.
        warmup_steps: steps in which it rises from 0.
        final_share: the share of the peak that a cosine ends at.
        weight_decay: per step and learning rate; not on norms, biases, scalers and queries.
        betas: of AdamW.
        clip: the largest norm of a step's gradient.
        contexts: documents of one step, over all processes.
        contexts_at_once: how many of them a process takes through the model together.
        ema: decay of the averaged weights, which are what is evaluated and shipped.
        max_skipped: steps in a row with a loss that is not finite, before the run gives up.
    """

    learning_rate: float = 4e-5
    scaler_rate: float = 1.0
    warmup_steps: int = 100
    final_share: float = 0.1
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 1.0
    contexts: int = 16
    contexts_at_once: int = 8
    ema: float = 0.999
    max_skipped: int = 10


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How often a run looks at itself.

    Attributes:
        log_steps: a line in ``curve.jsonl`` every so many steps, with means over them.
        evaluate_steps: an evaluation on held-out contexts every so many steps.
        held_out_percent: of the contexts, chosen by their text, are never trained on.
        held_out_contexts: how many of those are evaluated, from all sources in turn.
        held_out_sources: the sources they are from; none means all.
        samples: how many answers are written out at an evaluation.
        checkpoint_minutes: a checkpoint at least this often.
        keep: how many checkpoints stay, the newest ones.
    """

    log_steps: int = 10
    evaluate_steps: int = 250
    held_out_percent: float = 3.0
    held_out_contexts: int = 64
    held_out_sources: tuple[str, ...] = ()
    samples: int = 6
    checkpoint_minutes: float = 10.0
    keep: int = 2


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """A whole run.

    Attributes:
        base_model: as ``model.name`` is given.
        sources: contexts with questions, by a name of your own.
        stages: of the curriculum, one after the other.
        network: what the hypernetwork has otherwise than as published.
        prompts: how a question is put; ``{question}`` stands for it.  A step takes one of them
            for all its questions; the first is the teacher's and the evaluation's.  With the
            document in view, its text and an empty line go before.
        data, run_folder, store: folders of the data, of the run and of the teacher's answers.
        calibration_contexts: how many contexts to take statistics of hidden states from, so that a
            new network begins with what tells documents apart; 0 begins at random.
        initial: a folder with a hypernetwork to start from instead of a random one.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: of the base model and of products in the hypernetwork, whose weights are
            float32.
        threads: of the CPU; 0 leaves it to torch.
    """

    sources: Mapping[str, SourceSettings]
    stages: tuple[StageSettings, ...]
    base_model: str = "embedded"
    network: Mapping[str, Any] = field(default_factory=dict)
    prompts: tuple[str, ...] = ("{question}",)
    teacher: TeacherSettings = TeacherSettings()
    loss: LossSettings = LossSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    watch: WatchSettings = WatchSettings()
    data: str = "."
    run_folder: str = "run"
    store: str = ""
    calibration_contexts: int = 0
    initial: str = ""
    seed: int = 0
    device: str = "auto"
    precision: Precision = "float32"
    threads: int = 0

    @property
    def steps(self) -> int:
        """Optimiser steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def store_folder(self) -> Path:
        """Where the teacher's answers are: ``store``, else in the run folder."""
        return Path(self.store) if self.store else Path(self.run_folder) / "teacher"

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return plain
