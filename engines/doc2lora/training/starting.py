"""A start from which a hypernetwork sees, and says, what tells documents apart.

Hidden states are mostly alike: a few directions with huge values, the same at every token,
hold nearly all of their size.  What a random projection makes of two documents then differs
by some hundredths, and training has to find those first.  So random weights are turned by
the statistics of some contexts; the network itself is as published.

The projection's ``up`` reads states whitened and without the directions of the layers'
means, and its ``gate`` finds a direction in which all states are alike, so that it is open
and ``down(silu(gate(x)) · up(x))`` begins as a linear map of ``x``, up to each token's scale,
which a norm takes out after.

The heads' part for B begins as the ridge regression from what the perceiver makes of a
context to the output embeddings of its words, the rarer the more.  A LoRA that writes there
makes the document's words likelier; where that helps, training has only to turn it up.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from engines import families
from engines.doc2lora.hypernetwork import Hypernetwork
from engines.doc2lora.reading import layer_states, padded

_FOR_PROJECTION = 96
_RIDGE = 1e-3  # of the mean variance
_HEADS_RIDGE = 0.1  # likewise
_SHRINKAGE = 1e-2  # likewise: how little a direction must vary to be held back
_OPEN = 1.5  # what the gate gets from every state
_SPREAD = 0.1  # and how much of its own each neuron sees


@torch.no_grad()
def calibrate(
    network: Hypernetwork,
    model: Any,
    documents: Sequence[Sequence[int]],
    *,
    seed: int = 0,
) -> None:
    """Turn the weights of the projection and of the heads by some documents.

    Args:
        documents: token ids without affixes, each as long as a chunk at most; a few for each
            hundredth of the model's width are enough for the projection, which takes the
            first 96, and a few for each number in ``latent`` for the heads.
    """
    around = network.config.affixes
    chunks = [[*around.prefix, *ids, *around.suffix] for ids in documents]
    _calibrate_projection(network, model, chunks[:_FOR_PROJECTION], seed)
    units = torch.stack([_units(network, model, chunk) for chunk in chunks])
    _calibrate_heads(network, units, _words(model, documents).to(units))


def _calibrate_projection(
    network: Hypernetwork, model: Any, chunks: Sequence[list[int]], seed: int
) -> None:
    x = torch.cat([_states(model, chunk) for chunk in chunks], dim=1)  # [layers, tokens, hidden]
    x = x / x.pow(2).mean((1, 2), keepdim=True).sqrt()
    projection = network.perceiver.projection
    source = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=source, dtype=x.dtype) / math.sqrt(shape[1])

    neurons, width = projection.gate.weight.shape
    whitening = _whitening(x)
    gate = _OPEN * _alike(x) + _SPREAD * random(neurons, width) @ whitening
    projection.gate.weight.copy_(gate)
    projection.up.weight.copy_(random(neurons, width) @ whitening)
    projection.down.weight.copy_(random(projection.down.weight.shape[0], neurons))


def _calibrate_heads(network: Hypernetwork, units: Tensor, words: Tensor) -> None:
    """``units`` ``[documents, layers, r, latent]``, ``words`` ``[documents, d_out]``."""
    weight = network.heads.weight  # [layers, latent, d_in + d_out]
    spread = weight.std()
    rank = units.shape[2]
    for layer in range(units.shape[1]):
        u = units[:, layer].flatten(0, 1)
        second, with_words = u.T @ u, u.T @ words.repeat_interleave(rank, 0)
        second.diagonal().add_(_HEADS_RIDGE * second.diagonal().mean())
        found = torch.linalg.solve(second, with_words)
        weight[layer, :, network.config.d_in :] = found * (spread / found.std())


def _units(network: Hypernetwork, model: Any, chunk: list[int]) -> Tensor:
    """What the heads' last linear map is given for a chunk, ``[layers, r, latent]`` float64."""
    ids, mask = padded([chunk], model.get_input_embeddings().weight.device)
    ranks = network.read_layers(layer_states(model, ids, mask), mask)
    for mlp in network.heads.mlps:
        ranks = mlp(ranks)
    unit: Tensor = (ranks / ranks.norm(dim=-1, keepdim=True))[0].double().cpu()
    return unit


def _words(model: Any, documents: Sequence[Sequence[int]]) -> Tensor:
    """For each document the mean of its tokens' output embeddings, ``[documents, d_out]``.

    A token counts by the logarithm of how rare it is among the documents; the final norm's
    weights are in, and the mean over documents is out.
    """
    embeddings = families.lm_head(model).weight.float().cpu()
    scale = cast(Tensor, families.final_norm(model).weight).float().cpu()
    seen = Counter(token for ids in documents for token in set(ids))
    rows = []
    for ids in documents:
        tokens = sorted(set(ids))
        rarity = torch.tensor([math.log(len(documents) / seen[t]) + 0.1 for t in tokens])
        rows.append((rarity[:, None] * embeddings[tokens]).sum(0) / rarity.sum())
    found = torch.stack(rows) * scale
    return found - found.mean(0)


def _states(model: Any, chunk: list[int]) -> Tensor:
    """``[layers, tokens, hidden]`` float64, without the first token, whose states are huge."""
    ids, mask = padded([chunk], model.get_input_embeddings().weight.device)
    return layer_states(model, ids, mask)[0, :, 1:].double().cpu()


def _alike(x: Tensor) -> Tensor:
    """The direction ``[hidden]`` that gives about 1 for every state, by ridge regression."""
    flat = x.flatten(0, 1)
    second = flat.T @ flat / len(flat)
    second.diagonal().add_(_RIDGE * second.diagonal().mean())
    direction: Tensor = torch.linalg.solve(second, flat.mean(0))
    return direction


def _whitening(x: Tensor) -> Tensor:
    """``[hidden, hidden]``: after it, states vary alike in all directions but the means'."""
    layers, _, width = x.shape
    means = x.mean(1)
    directions = torch.linalg.svd(means, full_matrices=False).Vh[: min(layers, width // 16)]
    without = torch.eye(width, dtype=x.dtype) - directions.T @ directions
    flat = (x - means[:, None]).flatten(0, 1)
    covariance = without @ (flat.T @ flat / len(flat)) @ without
    values, vectors = torch.linalg.eigh(covariance)
    scale = (values.clamp(min=0) + _SHRINKAGE * values.mean()).rsqrt()
    turned: Tensor = vectors @ torch.diag(scale) @ vectors.T @ without
    return turned
