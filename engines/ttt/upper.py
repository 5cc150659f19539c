"""Running only the layers that learn.

The layers below the first modified one never change, so what they make of a text is
computed once (``record``) and every later pass starts from there (``Recording``).
What each upper layer is called with besides the hidden states (masks, rotary
embeddings) is kept as the model itself made it, so no family needs code of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, overload

import torch
from torch import Tensor, nn

from engines import families
from engines.host import ModelHost
from engines.ttt.gate import ActivationMeter

RECORDED_BYTES = 1 << 30  # hidden states of one text that are kept between passes


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


def spans(ids: Tensor, window: int, context: int, lead: Tensor | None = None) -> list[Span]:
    """Cut ``ids`` ``[tokens]`` into near-equal windows, each with its left context.

    Every token but the first is predicted exactly once, with up to ``context``
    earlier tokens in view besides those of its own window.  ``lead`` is the start token
    that models of some families need in front of everything they read.
    """
    first = ids[:0] if lead is None else lead
    predicted = len(ids) - 1
    count = max(1, -(-predicted // window))
    edges = [1 + predicted * i // count for i in range(count + 1)]
    cut = []
    for start, end in itertools.pairwise(edges):
        begin = max(0, start - 1 - context)
        seen = torch.cat([first, ids[begin:end]]) if begin else ids[:end]
        cut.append(Span(seen, end - start))
    return cut


class UpperLayers:
    """The layers from the first modified one up, the final norm and the head."""

    def __init__(self, host: ModelHost, first: int) -> None:
        self._host = host
        self._layers = families.decoder_layers(host.model)
        self._calls: dict[int, tuple[dict[str, Any], ...]] = {}
        self.first = first

    @torch.no_grad()
    def record(self, span: Span) -> Recording:
        """Run the whole base model once over ``span`` and keep what the upper layers saw."""
        inputs: list[Tensor] = []
        calls: list[dict[str, Any]] = []

        def keep(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            rest = dict(kwargs)
            hidden = args[0] if args else rest.pop("hidden_states")
            if not inputs:
                inputs.append(hidden)
            calls.append({**rest, "past_key_values": None, "use_cache": False})

        with _hooked(self._layers[self.first :], keep):
            ids = span.ids[:-1].unsqueeze(0).to(self._host.device)
            self._host.backbone(input_ids=ids, use_cache=False)
        # Masks and rotary embeddings depend on the length alone, as every span begins at 0.
        shared = self._calls.setdefault(len(span.ids), tuple(calls))
        return Recording(inputs[0], shared, span.ids[-span.new :])

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
    def mean_loss(self, recordings: Iterable[Recording]) -> float:
        """Mean nats per token over ``recordings``, each token counted once."""
        total, tokens = 0.0, 0
        for recording in recordings:
            total += float(self.loss(recording)) * recording.new
            tokens += recording.new
        return total / tokens


class Recordings(Sequence[Recording]):
    """The spans of one text, recorded; those over the budget are recorded when asked for.

    So a long document costs time and not memory: at most ``RECORDED_BYTES`` are kept.
    """

    def __init__(self, upper: UpperLayers, cut: Sequence[Span]) -> None:
        self._upper = upper
        self._spans = cut
        self._kept: list[Recording] = []

    @property
    def tokens(self) -> int:
        """How many tokens are predicted in all."""
        return sum(span.new for span in self._spans)

    def read(self, activation: ActivationMeter | None = None) -> Iterator[int]:
        """Record every span once, yielding how many tokens it predicts."""
        self._kept = []
        room = RECORDED_BYTES
        for span in self._spans:
            with activation.reading(span.new) if activation else nullcontext():
                recording = self._upper.record(span)
            room -= recording.hidden.numel() * recording.hidden.element_size()
            if room >= 0:
                self._kept.append(recording)
            yield span.new

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, index: int) -> Recording: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Recording]: ...
    def __getitem__(self, index: int | slice) -> Recording | Sequence[Recording]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index < len(self._kept):
            return self._kept[index]
        return self._upper.record(self._spans[index])


@contextmanager
def _hooked(layers: Any, keep: Any) -> Iterator[None]:
    handles = [layer.register_forward_pre_hook(keep, with_kwargs=True) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
