"""Negative log-likelihoods of many given texts at once, quick enough for two cores.

An ``Asked`` is a prompt with one or more continuations.  Many of them are laid out in
one row: what their prompts begin with in common once, then each prompt's rest with its
continuations; a mask lets every token see only what stands before it in its own text.
So nothing is padded, and neither a question's choices nor a shared passage cost twice.

A method that changes only the layers from ``first`` up needs the layers below once: a
``Sheet`` keeps what they made of each row and runs the upper layers and the head over it
again for every measurement.  ``first=0`` runs every layer and serves any method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engines import families
from engines.host import ModelHost

Block = Callable[[], AbstractContextManager[Any]]
ROW_TOKENS = 768  # a longer row spends its time on attention between texts that is masked


@dataclass(frozen=True)
class Asked:
    """Token ids ``[tokens]`` of a prompt, and of the continuations to score behind it."""

    prompt: Tensor
    continuations: tuple[Tensor, ...]


@dataclass(frozen=True)
class Score:
    """Summed nats of one continuation, and its tokens."""

    nats: float
    tokens: int

    @property
    def mean(self) -> float:
        return self.nats / self.tokens


@dataclass(frozen=True)
class _Row:
    """One row at the boundary: ``hidden`` ``[1, length, hidden]``, the layers' arguments, and
    of each scored token the position that predicts it and its id."""

    hidden: Tensor
    calls: tuple[dict[str, Any], ...]
    position: Tensor
    target: Tensor


class Sheet:
    """What is to be scored, read once by the layers below ``first``; none of them may change."""

    def __init__(self, host: ModelHost, asked: Sequence[Asked], first: int = 0) -> None:
        self._host = host
        self._asked = asked
        self._layers = families.decoder_layers(host.model)[first:]
        self._rows = [self._read(group, shared) for group, shared in _groups(asked)]

    @torch.no_grad()
    def scores(self, block: Block = nullcontext) -> list[list[Score]]:
        """One ``Score`` per continuation, in the order of ``asked``, computed inside ``block``."""
        nats = []
        for row in self._rows:
            with block():
                nats.append(self._nats(row))
        lengths = [len(c) for one in self._asked for c in one.continuations]
        parts = iter(torch.cat(nats).cpu().split(lengths))
        return [
            [Score(float(next(parts).sum()), len(c)) for c in one.continuations]
            for one in self._asked
        ]

    def _nats(self, row: _Row) -> Tensor:
        hidden = row.hidden
        for layer, call in zip(self._layers, row.calls, strict=True):
            hidden = layer(hidden, **call)
        logits = families.logits_from_hidden(self._host.model, hidden[0, row.position])
        return nn.functional.cross_entropy(logits.float(), row.target, reduction="none")

    @torch.no_grad()
    def _read(self, asked: Sequence[Asked], shared: int) -> _Row:
        row = _Layout(asked, shared)
        inputs: list[Tensor] = []
        calls: list[dict[str, Any]] = []

        def keep(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            rest = dict(kwargs)
            inputs.append(args[0] if args else rest.pop("hidden_states"))
            del inputs[1:]
            calls.append({**rest, "past_key_values": None, "use_cache": False})

        handles = [
            layer.register_forward_pre_hook(keep, with_kwargs=True) for layer in self._layers
        ]
        device = self._host.device
        try:
            self._host.backbone(
                input_ids=torch.cat(row.ids).unsqueeze(0).to(device),
                position_ids=torch.cat(row.place).unsqueeze(0).to(device),
                attention_mask=row.mask(self._host.model.dtype).to(device),
                use_cache=False,
            )
        finally:
            for handle in handles:
                handle.remove()
        target = torch.cat([c for one in asked for c in one.continuations])
        position = torch.cat(row.predicting).to(device)
        return _Row(inputs[0], tuple(calls), position, target.to(device))


class _Layout:
    """Where the tokens of some ``asked`` with ``shared`` first tokens in common stand in a row.

    ``ids`` and ``place`` (the position in its own text) are lists of ``[tokens]``;
    ``predicting`` are the positions in the row from which the scored tokens are predicted.
    """

    def __init__(self, asked: Sequence[Asked], shared: int) -> None:
        self.ids = [asked[0].prompt[:shared].cpu()]
        self.place = [torch.arange(shared)]
        self.predicting: list[Tensor] = []
        self._own: list[tuple[int, int, int, int]] = []  # prompt's rest, then continuation
        self._length, self._shared = shared, shared
        for one in asked:
            self._add(one)

    def _add(self, one: Asked) -> None:
        begin = self._length
        whole = len(one.prompt)
        self._append(one.prompt[self._shared :], self._shared)
        end = self._length
        for continuation in one.continuations:
            start = self._length
            before = torch.arange(start - 1, start - 1 + len(continuation))
            before[0] = end - 1 if end > begin else self._shared - 1
            self.predicting.append(before)
            self._append(continuation, whole)
            self._own.append((begin, end, start, self._length))

    def _append(self, ids: Tensor, place: int) -> None:
        self.ids.append(ids.cpu())
        self.place.append(torch.arange(place, place + len(ids)))
        self._length += len(ids)

    def mask(self, dtype: torch.dtype) -> Tensor:
        """What each token sees, to be added to the attention: ``[1, 1, length, length]``."""
        seen = torch.zeros(self._length, self._length, dtype=torch.bool)
        seen[:, : self._shared] = True
        for begin, prompt_end, start, end in self._own:
            seen[begin:prompt_end, begin:prompt_end] = True
            seen[start:end, begin:prompt_end] = True
            seen[start:end, start:end] = True
        seen &= torch.ones_like(seen).tril()
        added = torch.zeros(seen.shape, dtype=dtype)
        return added.masked_fill_(~seen, torch.finfo(dtype).min)[None, None]


def _groups(asked: Sequence[Asked]) -> Iterator[tuple[list[Asked], int]]:
    """Runs of ``asked`` that fit a row, with how many first tokens their prompts share."""
    group: list[Asked] = []
    shared, total = 0, 0
    for one in asked:
        length = len(one.prompt) + sum(len(c) for c in one.continuations)
        common = common_start([*(g.prompt for g in group[:1]), one.prompt])
        common = min(shared, common) if group else common
        if group and total + length - len(group) * common > ROW_TOKENS:
            yield group, shared
            group, total, common = [], 0, len(one.prompt)
        group.append(one)
        shared, total = common, total + length
    if group:
        yield group, shared


def common_start(prompts: Sequence[Tensor]) -> int:
    """How many first tokens all ``prompts`` have in common."""
    length = min(len(prompt) for prompt in prompts)
    same = torch.stack([prompt[:length] == prompts[0][:length] for prompt in prompts]).all(dim=0)
    return int(same.long().cumprod(dim=0).sum())


def mean_of(scores: Sequence[Sequence[Score]]) -> float:
    """Mean nats per token over everything scored, each token counted once."""
    every = [score for found in scores for score in found]
    return sum(score.nats for score in every) / sum(score.tokens for score in every)


def windows(ids: Tensor, window: int = 256, context: int = 512) -> list[Asked]:
    """A whole text, ``[tokens]``: each token but the first is predicted exactly once.

    A token sees everything before it, or the ``context`` tokens before its window: the
    first window has ``context + window`` tokens, the others ``window``.
    """
    first = context + window
    starts = [1, *range(first, len(ids), window)]
    ends = [*starts[1:], len(ids)]
    return [
        Asked(ids[max(0, s - context) : s], (ids[s:e],)) for s, e in zip(starts, ends, strict=True)
    ]
