"""A start from which a hypernetwork sees what tells documents apart.

Hidden states are mostly alike: a few directions with huge values, the same at every token,
hold nearly all of their size.  What a random projection makes of two documents then differs
by some hundredths, and training has to find those first.  Here the projection's random
weights are turned by the statistics of some contexts' states: its ``up`` reads them whitened
and without the directions of the layers' means, and its ``gate`` finds a direction in which
all states are alike, so that it is open and ``down(silu(gate(x)) · up(x))`` begins as a linear
map of ``x``, up to each token's scale, which a norm takes out after.  The network itself is
as published.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from engines.doc2lora.hypernetwork import Hypernetwork
from engines.doc2lora.reading import layer_states, padded

_RIDGE = 1e-3  # of the mean variance
_SHRINKAGE = 1e-2  # likewise: how little a direction must vary to be held back
_OPEN = 1.5  # what the gate gets from every state
_SPREAD = 0.1  # and how much of its own each neuron sees


@torch.no_grad()
def calibrate(
    network: Hypernetwork, model: Any, chunks: Iterable[list[int]], *, seed: int = 0
) -> None:
    """Turn the projection's weights by the hidden states of ``chunks``, with affixes around them.

    The chunks together need several times as many tokens as the model's width.
    """
    states = [_states(model, chunk) for chunk in chunks]
    x = torch.cat(states, dim=1)  # [layers, tokens, hidden]
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
