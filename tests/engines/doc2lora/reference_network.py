"""The published equations once more, in loops over plain tensors, to check the network by.

Nothing is shared with ``engines.doc2lora``: one chunk, one layer, one head at a time, on
weights under their published names.
"""

from __future__ import annotations

import torch
from torch import Tensor

HEADS, KV_HEADS, HEAD_DIM = 16, 4, 128


def generate(
    weights: dict[str, Tensor], states: Tensor, lengths: list[int]
) -> tuple[Tensor, Tensor]:
    """A ``[chunks, layers, r, d_in]`` and B for ``states`` ``[chunks, layers, tokens, hidden]``."""
    d_in = weights["bias_A.down_proj"].shape[-1]
    rows_a, rows_b = [], []
    for chunk, length in zip(states, lengths, strict=True):
        layers_a, layers_b = [], []
        for number, hidden in enumerate(chunk):
            ranks = _perceive(weights, hidden[:length])
            rows = torch.stack([_head(weights, number, e) for e in ranks])
            layers_a.append(rows[:, :d_in] * weights["scaler_A.down_proj"][0, number])
            layers_b.append(rows[:, d_in:] * weights["scaler_B.down_proj"][0, number])
        rows_a.append(torch.stack(layers_a))
        rows_b.append(torch.stack(layers_b))
    return torch.stack(rows_a), torch.stack(rows_b)


def _perceive(weights: dict[str, Tensor], hidden: Tensor) -> Tensor:
    context = _gated(weights, "aggregator.perceiver.modality_projection", hidden)
    latents = _resample(weights, "aggregator.perceiver.encoder", context)
    return _resample(weights, "aggregator.perceiver.decoder", latents)


def _resample(weights: dict[str, Tensor], name: str, context: Tensor) -> Tensor:
    q = weights[f"{name}.latents_q"]
    number = 0
    while f"{name}.layers.{number}.self_attn.q_proj.weight" in weights:
        layer = f"{name}.layers.{number}"
        read = _rms(context, weights[f"{layer}.input_context_layernorm.weight"])
        asked = _rms(q, weights[f"{layer}.input_latents_layernorm.weight"])
        answer = _attend(weights, f"{layer}.self_attn", asked, read)
        q = q + _rms(answer, weights[f"{layer}.post_attention_layernorm.weight"])
        inner = _rms(q, weights[f"{layer}.pre_ff_layernorm.weight"])
        worked = _gated(weights, f"{layer}.mlp", inner)
        q = q + _rms(worked, weights[f"{layer}.post_ff_layernorm.weight"])
        number += 1
    return _rms(q, weights[f"{name}.layernorm.weight"])


def _attend(weights: dict[str, Tensor], name: str, q: Tensor, context: Tensor) -> Tensor:
    asked = torch.einsum("qd,od->qo", q, weights[f"{name}.q_proj.weight"])
    keys = torch.einsum("td,od->to", context, weights[f"{name}.k_proj.weight"])
    values = torch.einsum("td,od->to", context, weights[f"{name}.v_proj.weight"])
    heads = []
    for head in range(HEADS):
        shared = head // (HEADS // KV_HEADS)
        own = slice(head * HEAD_DIM, (head + 1) * HEAD_DIM)
        theirs = slice(shared * HEAD_DIM, (shared + 1) * HEAD_DIM)
        scores = torch.einsum("qd,td->qt", asked[:, own], keys[:, theirs]) / HEAD_DIM**0.5
        weight = scores.exp() / scores.exp().sum(-1, keepdim=True)
        heads.append(torch.einsum("qt,td->qd", weight, values[:, theirs]))
    return torch.einsum("qo,do->qd", torch.cat(heads, -1), weights[f"{name}.o_proj.weight"])


def _head(weights: dict[str, Tensor], layer: int, e: Tensor) -> Tensor:
    name = "layers.0.layers"
    inner = _layer_norm(e, weights[f"{name}.0.weight"], weights[f"{name}.0.bias"])
    inner = torch.einsum("d,dh->h", inner, weights[f"{name}.1.weight"][layer])
    inner = _silu(inner + weights[f"{name}.1.bias"][0, layer, 0, 0])
    inner = torch.einsum("h,hd->d", inner, weights[f"{name}.3.weight"][layer])
    inner = inner + weights[f"{name}.3.bias"][0, layer, 0, 0]
    e = e + _layer_norm(inner, weights[f"{name}.4.weight"], weights[f"{name}.4.bias"])
    return torch.einsum("d,dw->w", e / (e * e).sum().sqrt(), weights["head.weight"][layer])


def _gated(weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    gate = torch.einsum("td,hd->th", x, weights[f"{name}.gate_proj.weight"])
    up = torch.einsum("td,hd->th", x, weights[f"{name}.up_proj.weight"])
    return torch.einsum("th,oh->to", _silu(gate) * up, weights[f"{name}.down_proj.weight"])


def _silu(x: Tensor) -> Tensor:
    return x / (1 + (-x).exp())


def _rms(x: Tensor, weight: Tensor) -> Tensor:
    return weight * x / ((x * x).mean(-1, keepdim=True) + 1e-6).sqrt()


def _layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return weight * centred / ((centred * centred).mean(-1, keepdim=True) + 1e-5).sqrt() + bias
