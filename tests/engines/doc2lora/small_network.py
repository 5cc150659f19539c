"""A small hypernetwork for a tiny model, with every part off its neutral start."""

from __future__ import annotations

from typing import Any

import torch

from engines.doc2lora.affixes import affixes_of
from engines.doc2lora.config import HypernetworkConfig
from engines.doc2lora.hypernetwork import Hypernetwork
from engines.fingerprint import fingerprint
from tests.engines.tiny import tiny_tokenizer


def small_config(model: Any, **settings: Any) -> HypernetworkConfig:
    """Dimensions for ``model`` that a CPU runs in no time."""
    sizes: dict[str, Any] = {
        "latent": 16, "latents": 3, "blocks": 2, "heads": 4, "kv_heads": 2, "head_dim": 8,
        "block_hidden": 32, "head_hidden": 32, "projection_hidden": 48, "rank": 2,
        "chunk_tokens": 40, "base_fingerprint": fingerprint(model),
        "affixes": affixes_of(tiny_tokenizer()),
    }  # fmt: skip
    return HypernetworkConfig.for_base(model, base_model="tiny", **{**sizes, **settings})


def small_network(model: Any, seed: int = 0, **settings: Any) -> Hypernetwork:
    """A random hypernetwork for ``model`` whose LoRAs have an effect."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Hypernetwork(small_config(model, **settings))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return network.eval()
