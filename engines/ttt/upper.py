"""Running only the layers that learn.

The layers below the first modified one never change, so what they make of a text is
computed once (``record``) and every later pass starts from there (``Recording``).
What each upper layer is called with besides the hidden states (masks, rotary
embeddings) is kept as the model itself made it, so no family needs code of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engines import families
from engines.host import ModelHost


@dataclass(frozen=True, slots=True)
class Span:
    """Token ids ``[tokens]`` whose last ``new`` are predicted from all that come before."""

    ids: Tensor
    new: int


@dataclass(frozen=True, slots=True)
class Recording:
    """A span as the first modified layer sees it.

    ``hidden`` is ``[1, tokens − 1, hidden]`` on the first upper layer's device;
    ``calls[i]`` holds the keyword arguments of upper layer ``i``; ``targets`` ``[new]``.
    """

    hidden: Tensor
    calls: tuple[dict[str, Any], ...]
    targets: Tensor

    @property
    def new(self) -> int:
        """How many tokens are predicted."""
        return len(self.targets)


def spans(ids: Tensor, window: int, context: int) -> list[Span]:
    """Cut ``ids`` ``[tokens]`` into near-equal windows, each with its left context.

    Every token but the first is predicted exactly once, with up to ``context``
    earlier tokens in view besides those of its own window.
    """
    predicted = len(ids) - 1
    count = max(1, -(-predicted // window))
    edges = [1 + predicted * i // count for i in range(count + 1)]
    return [
        Span(ids[max(0, start - 1 - context) : end], end - start)
        for start, end in itertools.pairwise(edges)
        if end > start
    ]


class UpperLayers:
    """The layers from the first modified one up, the final norm and the head."""

    def __init__(self, host: ModelHost, first: int) -> None:
        self._host = host
        self._layers = families.decoder_layers(host.model)
        self.first = first

    @torch.no_grad()
    def record(self, span: Span) -> Recording:
        """Run the whole base model once over ``span`` and keep what the upper layers saw."""
        inputs: list[Tensor] = []
        calls: list[dict[str, Any]] = []

        def keep(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            hidden = args[0] if args else kwargs.pop("hidden_states")
            if not inputs:
                inputs.append(hidden)
            calls.append({**kwargs, "past_key_values": None, "use_cache": False})

        with _hooked(self._layers[self.first :], keep):
            ids = span.ids[:-1].unsqueeze(0).to(self._host.device)
            self._host.backbone(input_ids=ids, use_cache=False)
        return Recording(inputs[0], tuple(calls), span.ids[-span.new :])

    def loss(self, recording: Recording) -> Tensor:
        """Mean nats per predicted token, a scalar; gradients flow to what is injected."""
        hidden = self.hidden(recording)[:, -recording.new :]
        logits = families.logits_from_hidden(self._host.model, hidden)[0]
        targets = recording.targets.to(logits.device)
        return nn.functional.cross_entropy(logits.float(), targets)

    def hidden(self, recording: Recording) -> Tensor:
        """The last layer's output for ``recording``, ``[1, tokens, hidden]``."""
        hidden = recording.hidden
        for layer, call in zip(self._layers[self.first :], recording.calls, strict=True):
            hidden = layer(hidden, **call)
        return hidden

    @torch.no_grad()
    def mean_loss(self, recordings: list[Recording]) -> float:
        """Mean nats per token over ``recordings``, each token counted once."""
        total = sum(float(self.loss(r)) * r.new for r in recordings)
        return total / sum(r.new for r in recordings)


@contextmanager
def _hooked(layers: Any, keep: Any) -> Iterator[None]:
    handles = [layer.register_forward_pre_hook(keep, with_kwargs=True) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
