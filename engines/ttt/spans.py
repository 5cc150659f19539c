"""Stretches of text on their way through the layers that learn.

A *span* is token ids, a *recording* what the first modified layer sees of them, a *window*
a part of a recording's positions.  A window attends to the positions before it through
their keys and values, which the pass has computed already (``Past``), so earlier context
costs no second forward pass; no gradient flows into it, as in Transformer-XL (Dai et
al. 2019).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

SEGMENT_TOKENS = 1024  # read at once; a longer text is cut into as many


@dataclass(frozen=True, slots=True)
class Teacher:
    """What a student should predict: likeliest tokens and their log-probabilities, ``[n, k]``."""

    ids: Tensor
    log_probs: Tensor


@dataclass(frozen=True, slots=True)
class Span:
    """Token ids ``[tokens]`` whose last ``new`` are predicted from all that come before.

    With a ``teacher``, its ``new`` rows are what to predict instead of the tokens.
    """

    ids: Tensor
    new: int
    teacher: Teacher | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A span as the first modified layer sees it.

    ``hidden`` is ``[1, tokens − 1, hidden]`` on the first upper layer's device;
    ``calls[i]`` holds the keyword arguments of upper layer ``i``; the last ``new``
    positions predict ``targets`` ``[new]``.
    """

    hidden: Tensor
    calls: tuple[dict[str, Any], ...]
    targets: Tensor
    teacher: Teacher | None = None

    @property
    def new(self) -> int:
        """How many tokens are predicted."""
        return len(self.targets)

    @property
    def length(self) -> int:
        """How many positions there are."""
        return int(self.hidden.shape[1])

    @property
    def lead(self) -> int:
        """How many positions come before the first that predicts."""
        return self.length - self.new


@dataclass(slots=True)
class Past:
    """Keys and values of the positions before a window, per layer, without gradient.

    Stands in for a transformers cache, of which attention layers call only ``update``.
    At most ``limit`` earlier positions are kept.
    """

    limit: int
    length: int = 0
    _kept: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def update(self, key: Tensor, value: Tensor, layer: int, *_: Any) -> tuple[Tensor, Tensor]:
        """Keys and values ``[1, heads, earlier + new, size]`` to attend to."""
        if layer in self._kept:
            key = torch.cat([self._kept[layer][0], key], dim=2)
            value = torch.cat([self._kept[layer][1], value], dim=2)
        start = max(0, key.shape[2] - self.limit)
        self._kept[layer] = key.detach()[:, :, start:], value.detach()[:, :, start:]
        return key, value

    def advance(self, tokens: int) -> None:
        """Note that a window of ``tokens`` positions went through all layers."""
        self.length = min(self.limit, self.length + tokens)


def segments(ids: Tensor, context: int, longest: int, lead: Tensor | None = None) -> list[Span]:
    """Cut ``ids`` ``[tokens]`` into near-equal spans of up to ``longest`` tokens in all.

    Every token but the first is predicted exactly once, and sees at least the ``context``
    tokens before it where there are as many.  ``lead`` is the start token that models of
    some families need in front of everything they read.
    """
    first = ids[:0] if lead is None else lead
    predicted = len(ids) - 1
    room = longest - 1 - len(first)
    if predicted <= room:
        return [Span(ids, predicted)]
    step = max(1, room - context)
    cut = []
    for start in range(1, len(ids), step):
        end = min(len(ids), start + step)
        begin = max(0, start - 1 - context)
        seen = torch.cat([first, ids[begin:end]]) if begin else ids[:end]
        cut.append(Span(seen, end - start))
    return cut


def window_edges(count: int, window: int) -> list[tuple[int, int]]:
    """``count`` positions in near-equal windows of up to ``window``, as starts and ends."""
    windows = max(1, -(-count // window))
    edges = [count * i // windows for i in range(windows + 1)]
    return list(itertools.pairwise(edges))


def window_of(
    call: dict[str, Any], start: int, end: int, past: Past | None, hidden: Tensor
) -> dict[str, Any]:
    """What a layer is called with for positions ``start:end`` only, after ``past``."""
    if past is None:
        return call
    mask = call.get("attention_mask")
    began = start - past.length
    if mask is not None:
        mask = mask[:, :, start:end, began:end]
    elif past.length:
        seen = torch.arange(began, end, device=hidden.device)
        mask = (seen <= torch.arange(start, end, device=hidden.device)[:, None])[None, None]
    window = {**call, "attention_mask": mask, "past_key_values": past}
    if "position_ids" in call:
        window["position_ids"] = call["position_ids"][:, start:end]
    rotary = call.get("position_embeddings")
    if rotary is not None:
        window["position_embeddings"] = tuple(part[:, start:end] for part in rotary)
    return window
