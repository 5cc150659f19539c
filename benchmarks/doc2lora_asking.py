"""Questions about one text, asked of the model as it is inside a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from answering import contains, greedy, normalised, token_f1
from evaluation import Item, Kept, asked_answers, question_turns
from scoring import Asked, Block, Sheet

from engines.doc2lora.cutting import cut
from engines.doc2lora.engine import Doc2LoraEngine
from engines.doc2lora.training.prompts import Prompts
from engines.host import ModelHost
from engines.protocol import Document, LearnReport
from engines.texts import general_questions


class Asking:
    """Asks ``items``, with ``text`` in view where it is given.

    Every measurement goes through the same batches, so that equal weights give equal
    numbers, to the bit.
    """

    def __init__(
        self, host: ModelHost, items: Sequence[Item], *, text: str = "", new_tokens: int = 24
    ) -> None:
        self._host, self._items, self._new_tokens = host, items, new_tokens
        self._prompts = [host.prompt(question_turns(item.question, text)) for item in items]
        end = torch.tensor([Prompts(host.tokenizer, ()).end], device=host.device)
        self._sheet = Sheet(
            host, [_and_ended(one, end) for one in asked_answers(host, items, text)]
        )

    def measure(self, block: Block = nullcontext) -> list[dict[str, Any]]:
        """The figures of each question, in their order.

        ``nll`` is nats per token of the first gold answer; ``nll_with_end`` counts the token
        that ends the turn as well, as training does.
        """
        said = greedy(self._host, self._prompts, self._new_tokens, block)
        figures = []
        for item, text, (gold, ended) in zip(  # noqa: B905
            self._items, said, self._sheet.scores(block)
        ):
            figures.append(
                {
                    "f1": token_f1(text, item.answers),
                    "em": float(normalised(text) in map(normalised, item.answers)),
                    "contains": float(contains(text, item.answers)),
                    "nll": gold.mean,
                    "nll_with_end": ended.mean,
                    "gold_tokens": gold.tokens,
                    "answer": text,
                }
            )
        return figures


def _and_ended(one: Asked, end: torch.Tensor) -> Asked:
    (gold,) = one.continuations
    return replace(one, continuations=(gold, torch.cat([gold, end])))


class Learned:
    """The engine, with LoRAs of the last few documents kept so that none is made twice."""

    KEPT = 8

    def __init__(self, engine: Doc2LoraEngine) -> None:
        self.engine = engine
        self._reports: dict[str, LearnReport] = {}

    def only(self, document: Document) -> Block:
        """The block in which the model has learned ``document`` and nothing else."""
        known = [report.id for report in self.engine.documents]
        if document.id not in known:
            if len(known) == self.KEPT:
                self.engine.reset()
            *_, report = self.engine.learn(document)
            if isinstance(report, LearnReport):
                self._reports[document.id] = report
        for report in self.engine.documents:
            self.engine.mute(report.id, report.id != document.id)
        return self.engine.active

    def took(self, document: Document) -> dict[str, Any]:
        """What learning it took."""
        report = self._reports[document.id]
        return {
            "tokens_read": report.tokens_read,
            "chunks": report.chunks,
            "learn_seconds": report.seconds,
        }

    def rank(self, document: Document) -> int:
        """The rank of its LoRA, the bias LoRA's included; nothing is learned for that."""
        config = self.engine._maker.config
        cutting = cut(self.engine.host, document, config, self.engine.settings)
        while True:
            try:
                next(cutting)
            except StopIteration as end:
                return config.rank * (len(end.value.chunks) + config.bias)


class Unrelated:
    """What has to stay: held-out text, and questions that no document answers.

    ``Kept``'s figures, and the same of the engines' own easy questions (``probe``), some of
    which the embedded model can answer.
    """

    def __init__(self, host: ModelHost, *, arc: int, trivia: int, new_tokens: int) -> None:
        self._kept = Kept(host, arc=arc, trivia=trivia)
        probes = [Item(question, golds, "") for question, golds in general_questions("probe")]
        self._probes = Asking(host, probes, new_tokens=new_tokens)

    def measure(self, block: Block = nullcontext) -> dict[str, float]:
        """Every figure, a mean over questions or tokens."""
        return self._kept.measure(block) | dict(self._of_probes(block))

    def _of_probes(self, block: Block) -> Iterator[tuple[str, float]]:
        found = self._probes.measure(block)
        for figure in ("nll", "f1", "contains"):
            yield f"probe_{figure}", sum(one[figure] for one in found) / len(found)
