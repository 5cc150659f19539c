"""A file as the published code writes it, at reduced dimensions, made without that code.

Classes of the published names are put into ``sys.modules`` while the file is written, so
the pickle asks for them as a real one does.
"""

from __future__ import annotations

import enum
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

BASE = "google/gemma-2-2b-it"
LAYERS, HIDDEN, D_IN, D_OUT, RANK, LATENT, LATENTS, BLOCKS = 3, 16, 24, 16, 4, 32, 5, 2

CLASSES = {
    "hypernet_config": "ctx_to_lora.modeling.hypernet.HypernetConfig",
    "aggregator_config": "ctx_to_lora.modeling.aggregator.AggregatorConfig",
    "reader": "ctx_to_lora.configs.CtxEncoderArguments",
    "lora_config": "peft.tuners.lora.config.LoraConfig",
    "runtime": "peft.tuners.lora.config.LoraRuntimeConfig",
}


def write(path: Path, *, legacy: bool = False, compiled: bool = False, **changes: Any) -> None:
    """Write a whole file; ``changes`` replace or (with None) remove what stands beside tensors."""
    weights: dict[str, Any] = OrderedDict(tensors())
    if compiled:
        weights = OrderedDict((f"_orig_mod.{name}", t) for name, t in weights.items())
    write_with(path, weights, legacy=legacy, **changes)


def write_with(
    path: Path, weights: dict[str, Any], *, legacy: bool = False, **changes: Any
) -> None:
    """The same with given weights.  ``hypernet``, ``aggregator``, ``lora`` and ``reader`` are
    dicts of attributes to change."""
    with _published_classes() as make:
        lora = make(
            "lora_config", r=RANK, lora_alpha=2 * RANK**1.5, lora_dropout=0.0,
            target_modules={"down_proj"}, peft_type=make.word("PeftType", "LORA"),
            task_type="CAUSAL_LM", runtime_config=make("runtime", ephemeral_gpu_offload=False),
        )  # fmt: skip
        vars(lora).update(changes.pop("lora", {}))
        aggregator = make(
            "aggregator_config", aggregator_type="perceiver", num_layers=LAYERS, num_modules=1,
            num_extra_modules=0, output_size=LATENT, feature_size=HIDDEN, pooling_type="mean",
            num_latent_factor=8, lora_r=RANK, per_rank_gen=True, n_latent_queries=LATENTS,
            num_blocks=BLOCKS, num_self_attn_per_block=0, shared_weights=False,
            layer_to_layer_ctx_encoder=True,
        )  # fmt: skip
        vars(aggregator).update(changes.pop("aggregator", {}))
        hypernet = make(
            "hypernet_config", latent_size=LATENT, per_rank_gen=True, use_bias=True,
            per_layer_processing=True, num_pre_head_layers=1, lora_config=lora, extra_modules=None,
            base_hidden_size=HIDDEN, layer_indices=torch.arange(LAYERS),
            feature_sizes=({"down_proj": D_IN}, {"down_proj": D_OUT}),
            aggregator_config=aggregator,
        )  # fmt: skip
        vars(hypernet).update(changes.pop("hypernet", {}))
        reader = make(
            "reader", ctx_encoder_model_name_or_path=None,
            ctx_encoder_type="per_layer_activations", ctx_encoder_last_layer=None,
        )  # fmt: skip
        vars(reader).update(changes.pop("reader", {}))
        beside = {
            "base_model_name_or_path": BASE,
            "hypernet_config": hypernet,
            "ctx_encoder_args": reader,
            **changes,
        }
        held = {**weights, **{name: value for name, value in beside.items() if value is not None}}
        torch.save(held, path, _use_new_zipfile_serialization=not legacy)


def tensors(seed: int = 0) -> dict[str, Tensor]:
    """Random weights under their published names, none of them at a neutral start."""
    source = torch.Generator().manual_seed(seed)

    def some(*shape: int, around: float = 0.0, spread: float = 0.2) -> Tensor:
        return around + spread * torch.randn(*shape, generator=source)

    found: dict[str, Tensor] = {}
    perceiver = "aggregator.perceiver"
    for part, shape in {
        "gate": (4 * HIDDEN, HIDDEN), "up": (4 * HIDDEN, HIDDEN), "down": (LATENT, 4 * HIDDEN),
    }.items():  # fmt: skip
        found[f"{perceiver}.modality_projection.{part}_proj.weight"] = some(*shape)
    for side, queries, blocks in (("encoder", LATENTS, BLOCKS), ("decoder", RANK, 1)):
        found[f"{perceiver}.{side}.latents_q"] = some(queries, LATENT, spread=1.0)
        for i in range(blocks):
            layer = f"{perceiver}.{side}.layers.{i}"
            for norm in (
                "input_latents_layernorm", "input_context_layernorm", "post_attention_layernorm",
                "pre_ff_layernorm", "post_ff_layernorm",
            ):  # fmt: skip
                found[f"{layer}.{norm}.weight"] = some(LATENT, around=1.0)
            for part, shape in {
                "self_attn.q": (2048, LATENT), "self_attn.k": (512, LATENT),
                "self_attn.v": (512, LATENT), "self_attn.o": (LATENT, 2048),
                "mlp.gate": (4 * LATENT, LATENT), "mlp.up": (4 * LATENT, LATENT),
                "mlp.down": (LATENT, 4 * LATENT),
            }.items():  # fmt: skip
                found[f"{layer}.{part}_proj.weight"] = some(*shape)
        found[f"{perceiver}.{side}.layernorm.weight"] = some(LATENT, around=1.0)
    wide = 4 * LATENT
    found |= {
        "layers.0.layers.0.weight": some(LATENT, around=1.0),
        "layers.0.layers.0.bias": some(LATENT),
        "layers.0.layers.1.weight": some(LAYERS, LATENT, wide),
        "layers.0.layers.1.bias": some(1, LAYERS, 1, 1, wide),
        "layers.0.layers.3.weight": some(LAYERS, wide, LATENT),
        "layers.0.layers.3.bias": some(1, LAYERS, 1, 1, LATENT),
        "layers.0.layers.4.weight": some(LATENT, around=1.0),
        "layers.0.layers.4.bias": some(LATENT),
        "head.weight": some(LAYERS, LATENT, D_IN + D_OUT),
        "scaler_A.down_proj": some(1, LAYERS, RANK, 1, around=1.0),
        "scaler_B.down_proj": some(1, LAYERS, RANK, 1),
        "bias_A.down_proj": some(LAYERS, RANK, D_IN),
        "bias_B.down_proj": some(LAYERS, RANK, D_OUT),
    }
    return found


class _Maker:
    def __init__(self, classes: dict[str, type]) -> None:
        self._classes = classes

    def __call__(self, kind: str, **attributes: Any) -> Any:
        made = self._classes[kind]()
        vars(made).update(attributes)
        return made

    def word(self, name: str, value: str) -> Any:
        return self._classes[name](value)


@contextmanager
def _published_classes() -> Iterator[_Maker]:
    before = {name: sys.modules.get(name) for name in _modules()}
    classes: dict[str, type] = {}
    try:
        for module in _modules():
            sys.modules[module] = types.ModuleType(module)
        for kind, path in CLASSES.items():
            module, _, name = path.rpartition(".")
            classes[kind] = type(name, (), {"__module__": module})
            setattr(sys.modules[module], name, classes[kind])
        word = enum.Enum("PeftType", {"LORA": "LORA"}, module="peft.utils.peft_types", type=str)
        sys.modules["peft.utils.peft_types"].PeftType = word
        classes["PeftType"] = word
        yield _Maker(classes)
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def _modules() -> list[str]:
    """Every module that a published name is in, after the packages that it is in itself."""
    found: dict[str, None] = {}
    for path in [*CLASSES.values(), "peft.utils.peft_types.PeftType"]:
        parts = path.split(".")[:-1]
        found |= dict.fromkeys(".".join(parts[: n + 1]) for n in range(len(parts)))
    return list(found)
