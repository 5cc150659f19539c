"""Held-out contexts: what the LoRA of a document brings, beside nothing and beside its text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engines.doc2lora.hypernetwork import Hypernetwork
from engines.doc2lora.lora import Lora, compose_rows
from engines.doc2lora.reading import layer_states, padded
from engines.doc2lora.training.answering import Row, answer_logits, answer_tokens
from engines.doc2lora.training.base import Base
from engines.doc2lora.training.batches import Batcher
from engines.doc2lora.training.events import Evaluated, Sample
from engines.doc2lora.training.examples import Context
from engines.doc2lora.training.pools import Drawn
from engines.doc2lora.training.prompts import Prompts
from engines.doc2lora.training.teacher import greedy

QUESTIONS = 4  # of a held-out context are asked
_ANSWER_TOKENS = 16


@dataclass(frozen=True, slots=True)
class _Scores:
    """Per answer token ``[answer tokens]``: −log q of the gold token, and the likeliest one."""

    nll: Tensor
    top: Tensor


@dataclass(frozen=True, slots=True)
class Baselines:
    """What no hypernetwork changes, over all held-out contexts, ``[answer tokens]`` each."""

    closed: _Scores
    in_context: _Scores


class HeldOut:
    """The same held-out questions at every evaluation.

    Args:
        contexts: never trained on; the first four questions of each are asked.
        batcher: its chunks and tokenizer.
    """

    def __init__(
        self, base: Base, prompts: Prompts, batcher: Batcher, contexts: Sequence[Context], most: int
    ) -> None:
        self._base, self._model = base, base.model
        self._prompts = prompts
        self._batcher = batcher
        self.contexts = sorted(contexts, key=lambda c: len(c.text))
        self._most = most
        self._groups = [self._rows(context) for context in self.contexts]
        self._texts = [self._rows(context, in_context=True) for context in self.contexts]
        self._baselines: Baselines | None = None

    @torch.no_grad()
    def evaluate(self, network: Hypernetwork, step: int, seconds: float) -> Evaluated:
        """Score every question in four ways; see ``Evaluated``."""
        base = self._compared()
        mine, other = self._with_loras(network)
        means = [s.nll.mean().item() for s in (base.closed, mine, other, base.in_context)]
        closed, lora, wrong, ceiling = means
        gain = closed - ceiling
        return Evaluated(
            step,
            len(self.contexts),
            sum(map(len, self._groups)),
            closed,
            lora,
            wrong,
            ceiling,
            (closed - lora) / gain if gain > 0 else None,
            (wrong - lora) / gain if gain > 0 else None,
            _share(mine.top == base.in_context.top),
            _share(base.closed.top == base.in_context.top),
            seconds,
            self._by_source((base.closed, mine, other, base.in_context)),
        )

    @torch.no_grad()
    def samples(self, network: Hypernetwork, step: int, number: int) -> Iterator[Sample]:
        """Greedy answers to the first question of some contexts."""
        from engines.doc2lora.applied import applied

        for n in range(min(number, len(self.contexts))):
            context, row, seen = self.contexts[n], self._groups[n][0], self._texts[n][0]
            lora = self._loras(network, [context])
            closed, told = self._answer(row), self._answer(seen)
            with applied(self._model, Lora(lora.a[0], lora.b[0], lora.scaling)):
                learned = self._answer(row)
            asked = context.asked[0]
            yield Sample(step, context.text, asked.question, asked.target, closed, learned, told)

    def _by_source(self, scored: Sequence[_Scores]) -> dict[str, tuple[float, ...]]:
        sizes = [sum(len(row.answer) for row in group) for group in self._groups]
        found: dict[str, list[Tensor]] = {}
        parts = torch.split(torch.stack([s.nll for s in scored]), sizes, dim=1)
        for context, part in zip(self.contexts, parts, strict=True):
            found.setdefault(context.source, []).append(part)
        return {name: tuple(torch.cat(p, 1).mean(1).tolist()) for name, p in found.items()}

    def _rows(self, context: Context, *, in_context: bool = False) -> list[Row]:
        text = context.text if in_context else ""
        return [
            Row(self._prompts.asked(a.question, document=text), self._prompts.answer(a.target))
            for a in context.asked[:QUESTIONS]
        ]

    def _answer(self, row: Row) -> str:
        end = self._prompts.end
        return self._prompts.text(greedy(self._model, row.prompt, end, _ANSWER_TOKENS))

    def _compared(self) -> Baselines:
        if self._baselines is None:
            closed = [self._scores(part, None) for part in self._parts(self._groups)]
            told = [self._scores([group], None) for group in self._texts]
            self._baselines = Baselines(_joined(closed), _joined(told))
        return self._baselines

    def _with_loras(self, network: Hypernetwork) -> tuple[_Scores, _Scores]:
        mine, other = [], []
        for contexts, groups in zip(
            self._parts(self.contexts), self._parts(self._groups), strict=True
        ):
            lora = self._loras(network, contexts)
            mine.append(self._scores(groups, lora))
            turned = Lora(lora.a.roll(1, 0), lora.b.roll(1, 0), lora.scaling)
            other.append(self._scores(groups, turned))
        return _joined(mine), _joined(other)

    def _loras(self, network: Hypernetwork, contexts: Sequence[Context]) -> Lora:
        chunks = [self._batcher.chunks(Drawn(context, context.asked)) for context in contexts]
        ids, mask = padded([c for parts in chunks for c in parts], _device(self._model))
        states = layer_states(self._model, ids, mask)
        with self._base.autocast():
            generated = network(states, mask)
        lora = compose_rows(generated, list(map(len, chunks)), network.config.scaling)
        return Lora(lora.a.to(states.dtype), lora.b.to(states.dtype), lora.scaling)

    def _scores(self, groups: Sequence[Sequence[Row]], lora: Lora | None) -> _Scores:
        logits = answer_logits(self._model, groups, lora)
        answer = answer_tokens(groups).to(logits.device)
        nll = torch.nn.functional.cross_entropy(logits, answer, reduction="none")
        return _Scores(nll.cpu(), logits.argmax(-1).cpu())

    def _parts(self, listed: list[Any]) -> list[list[Any]]:
        """In parts of ``most``; none is of a single context, which no other one's LoRA is for."""
        parts = [listed[n : n + self._most] for n in range(0, len(listed), self._most)]
        if len(parts) > 1 and len(parts[-1]) == 1:
            parts[-2:] = [parts[-2] + parts[-1]]
        return parts


def _joined(parts: Sequence[_Scores]) -> _Scores:
    return _Scores(torch.cat([p.nll for p in parts]), torch.cat([p.top for p in parts]))


def _share(hits: Tensor) -> float:
    return hits.float().mean().item()


def _device(model: Any) -> torch.device:
    device: torch.device = model.get_input_embeddings().weight.device
    return device
