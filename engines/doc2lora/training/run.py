"""Everything that a run holds: read, loaded, and put back where it had got to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from engines.doc2lora.affixes import document_tokens
from engines.doc2lora.hypernetwork import Hypernetwork
from engines.doc2lora.training.base import Base, load_base, new_network
from engines.doc2lora.training.batches import Batcher
from engines.doc2lora.training.descent import Average, optimiser_for
from engines.doc2lora.training.examples import Context
from engines.doc2lora.training.measuring import HeldOut
from engines.doc2lora.training.pools import Pool, Sampler, needed, read_pools
from engines.doc2lora.training.prompts import Prompts
from engines.doc2lora.training.run_folder import RunFolder
from engines.doc2lora.training.saving import Position, restore_checkpoint
from engines.doc2lora.training.settings import LossSettings, TrainingSettings
from engines.doc2lora.training.starting import calibrate
from engines.doc2lora.training.teacher import Teacher
from engines.doc2lora.training.teacher_store import TeacherStore


@dataclass(slots=True)
class Run:
    """A run that can take steps."""

    settings: TrainingSettings
    folder: RunFolder
    base: Base
    network: Hypernetwork
    shadow: Hypernetwork
    optimiser: torch.optim.AdamW
    average: Average
    pools: Mapping[str, Pool]
    sampler: Sampler
    store: TeacherStore
    batcher: Batcher
    held_out: HeldOut
    position: Position

    @property
    def parameters(self) -> int:
        """Of the hypernetwork."""
        return sum(p.numel() for p in self.network.parameters())

    def loss_at(self, step: int) -> LossSettings:
        """The weights of the loss at a step (from 0)."""
        wanted = self.settings.loss
        stage = self.settings.stages[self.sampler.stage_at(step)]
        return replace(wanted, distil=wanted.distil * stage.distil)

    def needed(self) -> list[Context]:
        """Every context that some stage can draw."""
        return needed(self.pools, self.settings.stages)

    def averaged(self) -> Hypernetwork:
        """The network with the averaged weights, for evaluation."""
        self.shadow.load_state_dict(self.average.weights)
        return self.shadow


def prepare(settings: TrainingSettings, base: Base | None, device: str) -> Run:
    """Load the base (or take ``base``), read the data, and go on from the latest checkpoint.

    Raises:
        EngineError: if the base, the data, the store or the checkpoint can't be used.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    folder = RunFolder(Path(settings.run_folder))
    base = base or load_base(settings, device)
    network = new_network(base, settings)
    prompts = Prompts(base.tokenizer, settings.prompts)
    pools = read_pools(settings, _counter(base, network))
    store = _store(settings, base, network, prompts)
    batcher = Batcher(base.tokenizer, prompts, network.config, store.targets)
    run = Run(
        settings,
        folder,
        base,
        network,
        new_network(base, settings).eval(),
        optimiser_for(network, settings.optimiser),
        Average(network, settings.optimiser.ema),
        pools,
        Sampler(pools, settings.stages, settings.seed),
        store,
        batcher,
        HeldOut(
            base,
            prompts,
            batcher,
            _held_out(pools, settings),
            settings.optimiser.contexts_at_once,
        ),
        Position(),
    )
    if (latest := folder.latest) is not None:
        run.position = restore_checkpoint(latest, network, run.average, run.optimiser)
        run.sampler.restore(run.position.sampler)
    elif settings.calibration_contexts and not settings.initial:
        _calibrate(run, settings.calibration_contexts)
    return run


def _calibrate(run: Run, number: int) -> None:
    """Begin with statistics of contexts of the first stage, evenly from its sources."""
    names = [name for name, weight in run.settings.stages[0].sources.items() if weight]
    each = math.ceil(number / len(names))
    texts = [c for name in names for c in _spread(run.pools[name].train, each)]
    affixes, most = run.network.config.affixes, run.network.config.chunk_tokens
    documents = [document_tokens(run.base.tokenizer, c.text, affixes)[:most] for c in texts]
    calibrate(run.network, run.base.model, documents, seed=run.settings.seed)
    run.average.restore(run.network.state_dict(), 0)


def _spread(contexts: Sequence[Context], number: int) -> Sequence[Context]:
    return contexts[:: max(1, len(contexts) // number)][:number]


def _counter(base: Base, network: Hypernetwork) -> Any:
    def count(text: str) -> int:
        return len(document_tokens(base.tokenizer, text, network.config.affixes))

    return count


def _store(
    settings: TrainingSettings, base: Base, network: Hypernetwork, prompts: Prompts
) -> TeacherStore:
    wanted = settings.teacher
    made_with = {
        "base_model": base.name,
        "base_fingerprint": network.config.base_fingerprint,
        "precision": settings.precision,
        "prompt": settings.prompts[0],
        "answers": wanted.answers,
        "top_k": wanted.top_k,
        "max_answer_tokens": wanted.max_answer_tokens,
    }
    return TeacherStore(
        settings.store_folder,
        Teacher(base.model, prompts, wanted),
        made_with,
        shard_contexts=wanted.shard_contexts,
    )


def _held_out(pools: Mapping[str, Pool], settings: TrainingSettings) -> list[Context]:
    """Held-out contexts of all sources in turn, those without questions left out."""
    found: dict[str, Context] = {}
    names = settings.watch.held_out_sources or tuple(pools)
    columns: list[Iterator[Context]] = [iter(pools[name].held_out) for name in names]
    while columns and len(found) < settings.watch.held_out_contexts:
        for column in list(columns):
            context = next(column, None)
            if context is None:
                columns.remove(column)
            elif len(found) < settings.watch.held_out_contexts:
                found.setdefault(context.key, context)
    return list(found.values())
