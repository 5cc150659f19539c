"""Contexts and targets as what goes through the models together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engines.doc2lora.affixes import document_tokens
from engines.doc2lora.config import HypernetworkConfig
from engines.doc2lora.reading import split
from engines.doc2lora.training.answering import Row
from engines.doc2lora.training.examples import Context
from engines.doc2lora.training.pools import Drawn
from engines.doc2lora.training.prompts import Prompts
from engines.doc2lora.training.teacher import Target


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents and the rows that are asked about each.

    Attributes:
        chunks: token ids of all documents' chunks with affixes, in order.
        counts: how many of them belong to each document.
        groups: the rows of each document; all prompts are put the same way.
        top_ids, top_log_probs: the teacher's, ``[answer tokens, k]``.
    """

    chunks: list[list[int]]
    counts: list[int]
    groups: list[list[Row]]
    top_ids: Tensor
    top_log_probs: Tensor

    def __len__(self) -> int:
        """How many documents."""
        return len(self.counts)

    @property
    def lengths(self) -> list[list[int]]:
        """Tokens of each answer, by document."""
        return [[len(row.answer) for row in group] for group in self.groups]

    @property
    def rows(self) -> int:
        """How many questions."""
        return sum(map(len, self.groups))

    @property
    def tokens(self) -> int:
        """All tokens: those of the chunks, the prompts and the answers."""
        asked = sum(len(r.prompt) + len(r.answer) for group in self.groups for r in group)
        return asked + sum(map(len, self.chunks))


class Batcher:
    """Makes batches of what was drawn, with the teacher's targets."""

    def __init__(
        self,
        tokenizer: Any,
        prompts: Prompts,
        config: HypernetworkConfig,
        targets: Callable[[Context], dict[str, Target]],
    ) -> None:
        self._tokenizer = tokenizer
        self._prompts = prompts
        self._config = config
        self._targets = targets

    def batch(self, drawn: Sequence[Drawn], form: int = 0, *, taught: bool = True) -> Batch | None:
        """A batch in which every question is put in ``form``; None if none can be asked.

        Unless ``taught`` the answers are the data's, and there is nothing of a teacher (k = 0).
        """
        chunks: list[list[int]] = []
        counts, groups, targets = [], [], []
        for one in drawn:
            found = self._targets(one.context) if taught else self._given(one)
            asked = [a for a in one.asked if len(found[a.question].answer)]
            if not asked:
                continue
            parts = self.chunks(one)
            chunks += parts
            counts.append(len(parts))
            groups.append([self._row(a.question, found[a.question], form) for a in asked])
            targets += [found[a.question] for a in asked]
        if not targets:
            return None
        top_ids = torch.cat([t.top_ids for t in targets]).long()
        return Batch(chunks, counts, groups, top_ids, torch.cat([t.top_log_probs for t in targets]))

    def chunks(self, one: Drawn) -> list[list[int]]:
        """The chunks of a document with their affixes."""
        ids = document_tokens(self._tokenizer, one.context.text, self._config.affixes)
        size = min(self._config.chunk_tokens, math.ceil(len(ids) / one.chunks))
        return split(ids, size, self._config.affixes)

    def _given(self, one: Drawn) -> dict[str, Target]:
        answers = {a.question: self._prompts.answer(a.target) for a in one.asked}
        return {q: Target.without_teacher(ids) for q, ids in answers.items()}

    def _row(self, question: str, target: Target, form: int) -> Row:
        return Row(self._prompts.asked(question, form), target.answer.tolist())
