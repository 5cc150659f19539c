"""The frozen base model of a run, and the hypernetwork that is trained for it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engines.doc2lora import stored
from engines.doc2lora.affixes import affixes_of
from engines.doc2lora.config import HypernetworkConfig
from engines.doc2lora.hypernetwork import Hypernetwork
from engines.doc2lora.training.settings import TrainingSettings
from engines.fingerprint import fingerprint


@dataclass(frozen=True, slots=True)
class Base:
    """A causal language model as transformers loads it, its tokenizer and its name."""

    model: Any
    tokenizer: Any
    name: str

    @property
    def device(self) -> torch.device:
        """Where its input goes."""
        device: torch.device = self.model.get_input_embeddings().weight.device
        return device

    def autocast(self) -> AbstractContextManager[Any]:
        """The block in which the hypernetwork multiplies in the base's type."""
        if self.model.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.model.dtype)


def load_base(settings: TrainingSettings, device: str) -> Base:
    """Load the base model without gradients for its weights.

    Raises:
        ModelError: if it can't be found or loaded.
    """
    from engines import models

    choice = models.choose(settings.base_model, device=device)
    loaded = models.load(choice, device=device, dtype=settings.precision)
    model: Any = loaded.model.requires_grad_(False)
    if model.device.type == "cpu":
        # The fused attention's backward is several times slower there on short rows.
        model.set_attn_implementation("eager")
    return Base(model, loaded.tokenizer, loaded.name)


def new_network(base: Base, settings: TrainingSettings) -> Hypernetwork:
    """A hypernetwork with random weights by ``settings.seed``, or a copy of ``initial``.

    Raises:
        CheckpointError: if its settings can't be, or ``initial`` is for another base.
    """
    name = fingerprint(base.model)
    if settings.initial:
        network = stored.load(Path(settings.initial))
        stored.check_base(network.config, base.model, name=base.name, fingerprint=name)
    else:
        config = HypernetworkConfig.for_base(
            base.model,
            base_model=base.name,
            base_fingerprint=name,
            affixes=affixes_of(base.tokenizer, base.name),
            **settings.network,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network = Hypernetwork(config)
    if not network.config.bias:
        network.bias_a.requires_grad_(False)
        network.bias_b.requires_grad_(False)
    return network.to(base.device).train()
