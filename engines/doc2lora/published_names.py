"""What the published files call the weights of a hypernetwork, and what we call them.

========================================================  =====================================
published (after removing ``_orig_mod.``)                 here
========================================================  =====================================
aggregator.perceiver.modality_projection.G_proj.weight    perceiver.projection.G.weight
aggregator.perceiver.P.latents_q                          perceiver.P.queries
aggregator.perceiver.P.layers.i.self_attn.Q_proj.weight   perceiver.P.blocks.i.attention.Q.weight
aggregator.perceiver.P.layers.i.mlp.G_proj.weight         perceiver.P.blocks.i.mlp.G.weight
aggregator.perceiver.P.layers.i.input_latents_layernorm   perceiver.P.blocks.i.norm_queries
aggregator.perceiver.P.layers.i.input_context_layernorm   perceiver.P.blocks.i.norm_context
aggregator.perceiver.P.layers.i.post_attention_layernorm  perceiver.P.blocks.i.norm_attended
aggregator.perceiver.P.layers.i.pre_ff_layernorm          perceiver.P.blocks.i.norm_mlp_in
aggregator.perceiver.P.layers.i.post_ff_layernorm         perceiver.P.blocks.i.norm_mlp_out
aggregator.perceiver.P.layernorm.weight                   perceiver.P.norm.weight
layers.n.layers.0 and .4 (weight, bias)                   heads.mlps.n.norm_in and .norm_out
layers.n.layers.1.weight, .bias                           heads.mlps.n.up_weight, .up_bias
layers.n.layers.3.weight, .bias                           heads.mlps.n.down_weight, .down_bias
head.weight                                               heads.weight
scaler_A.down_proj, scaler_B.down_proj                    heads.scaler_a, heads.scaler_b
bias_A.down_proj, bias_B.down_proj                        bias_a, bias_b
========================================================  =====================================

P is ``encoder`` or ``decoder``, Q one of ``q k v o`` and G one of ``gate up down``.  Published
biases and scalers carry dimensions of size 1 that ours don't have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from engines.doc2lora.config import TARGET, HypernetworkConfig
from engines.doc2lora.hypernetwork import Hypernetwork
from engines.protocol import CheckpointError

_SHOWN = 12  # names in one sentence

_NORMS = {
    "input_latents_layernorm": "norm_queries",
    "input_context_layernorm": "norm_context",
    "post_attention_layernorm": "norm_attended",
    "pre_ff_layernorm": "norm_mlp_in",
    "post_ff_layernorm": "norm_mlp_out",
}
_HEAD_PARTS = {
    "0.weight": "norm_in.weight",
    "0.bias": "norm_in.bias",
    "1.weight": "up_weight",
    "1.bias": "up_bias",
    "3.weight": "down_weight",
    "3.bias": "down_bias",
    "4.weight": "norm_out.weight",
    "4.bias": "norm_out.bias",
}


def names(config: HypernetworkConfig) -> dict[str, str]:
    """The published name of every weight and ours, in the order of the table above."""
    found = dict(_perceiver_names(config))
    for n in range(config.head_mlps):
        for theirs, ours in _HEAD_PARTS.items():
            found[f"layers.{n}.layers.{theirs}"] = f"heads.mlps.{n}.{ours}"
    found["head.weight"] = "heads.weight"
    for letter in "AB":
        found[f"scaler_{letter}.{TARGET}"] = f"heads.scaler_{letter.lower()}"
        found[f"bias_{letter}.{TARGET}"] = f"bias_{letter.lower()}"
    return found


def _perceiver_names(config: HypernetworkConfig) -> Iterator[tuple[str, str]]:
    theirs, ours = "aggregator.perceiver", "perceiver"
    for part in ("gate", "up", "down"):
        yield f"{theirs}.modality_projection.{part}_proj.weight", f"{ours}.projection.{part}.weight"
    for name, blocks in (("encoder", config.blocks), ("decoder", 1)):
        yield f"{theirs}.{name}.latents_q", f"{ours}.{name}.queries"
        for i in range(blocks):
            yield from _block_names(f"{theirs}.{name}.layers.{i}", f"{ours}.{name}.blocks.{i}")
        yield f"{theirs}.{name}.layernorm.weight", f"{ours}.{name}.norm.weight"


def _block_names(theirs: str, ours: str) -> Iterator[tuple[str, str]]:
    for part in "qkvo":
        yield f"{theirs}.self_attn.{part}_proj.weight", f"{ours}.attention.{part}.weight"
    for part in ("gate", "up", "down"):
        yield f"{theirs}.mlp.{part}_proj.weight", f"{ours}.mlp.{part}.weight"
    for published, norm in _NORMS.items():
        yield f"{theirs}.{published}.weight", f"{ours}.{norm}.weight"


def our_weights(published: Mapping[str, Tensor], config: HypernetworkConfig) -> dict[str, Tensor]:
    """The weights of a published file under our names, in our shapes.

    Raises:
        CheckpointError: listing what is missing, what is unknown and what is of another
            shape, or naming weights that are not finite.
    """
    given = {name.replace("_orig_mod.", ""): tensor for name, tensor in published.items()}
    table = names(config)
    with torch.device("meta"):
        shapes = {name: t.shape for name, t in Hypernetwork(config).state_dict().items()}
    wrong = [
        f"{name} ({_shown(given[name].shape)} instead of {_shown(shapes[ours])})"
        for name, ours in table.items()
        if name in given and not _same_shape(given[name].shape, shapes[ours])
    ]
    faults = [
        listed("lacks", [name for name in table if name not in given]),
        listed("has the unknown", [name for name in given if name not in table]),
        listed("has another shape of", wrong),
    ]
    if any(faults):
        raise CheckpointError(
            f"The checkpoint {'; it '.join(f for f in faults if f)}: it is not a hypernetwork of "
            "the published structure, or it is incomplete; fetch it again."
        )
    return {ours: given[name].reshape(shapes[ours]) for name, ours in table.items()}


def check_finite(weights: Mapping[str, Tensor]) -> None:
    """Refuse weights that no LoRA can come of.

    Raises:
        CheckpointError: naming those with a NaN or an infinity in them.
    """
    bad = [name for name, tensor in weights.items() if not bool(torch.isfinite(tensor).all())]
    if bad:
        raise CheckpointError(
            f"The hypernetwork {listed('has numbers that are not finite in', bad)}: fetch or "
            "train it again."
        )


def _same_shape(given: torch.Size, wanted: torch.Size) -> bool:
    return [n for n in given if n != 1] == [n for n in wanted if n != 1]


def _shown(shape: torch.Size) -> str:
    return "×".join(map(str, shape))


def listed(verb: str, found: list[str]) -> str:
    """``verb`` and what it is about, the first few by name; empty where there is nothing."""
    if not found:
        return ""
    rest = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{verb} {', '.join(found[:_SHOWN])}{rest}"
