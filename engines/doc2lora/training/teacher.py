"""What the base model says with the document in view: the targets of distillation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engines.doc2lora.training.answering import Row, answer_logits
from engines.doc2lora.training.examples import Context
from engines.doc2lora.training.prompts import Prompts
from engines.doc2lora.training.settings import TeacherSettings


@dataclass(frozen=True, slots=True)
class Target:
    """What a student is to say to one question.

    Attributes:
        answer: tokens with the end of the turn, ``[tokens]`` int32.
        top_ids: the teacher's likeliest tokens at each of them, ``[tokens, k]`` int32.
        top_log_probs: their log-probabilities over the whole vocabulary, float16 (an error of
            at most 0.004 nats down to −8).
    """

    answer: Tensor
    top_ids: Tensor
    top_log_probs: Tensor

    @classmethod
    def nothing(cls, top_k: int) -> Target:
        """The target of a question that can't be asked."""
        ids = torch.empty(0, top_k, dtype=torch.int32)
        return cls(torch.empty(0, dtype=torch.int32), ids, ids.half())

    @classmethod
    def without_teacher(cls, answer: Sequence[int]) -> Target:
        """An answer that no teacher was asked about."""
        ids = torch.empty(len(answer), 0, dtype=torch.int32)
        return cls(torch.tensor(answer, dtype=torch.int32), ids, ids.half())


class Teacher:
    """The base model, unchanged, asked with the document in front of the question."""

    def __init__(self, model: Any, prompts: Prompts, settings: TeacherSettings) -> None:
        self._model = model
        self._prompts = prompts
        self._settings = settings

    @torch.no_grad()
    def targets(self, context: Context) -> dict[str, Target]:
        """The targets of all questions about a context, by question.

        The context goes through the model once.  A question whose prompt or answer is too
        long gets a target without tokens.
        """
        asked = {a.question: self._row(context, a.question, a.target) for a in context.asked}
        fit = {question: row for question, row in asked.items() if self._fits(row)}
        found = dict.fromkeys(asked, Target.nothing(self._settings.top_k))
        return found | self._scored(fit) if fit else found

    def _scored(self, fit: Mapping[str, Row]) -> dict[str, Target]:
        rows = list(fit.values())
        log_probs = answer_logits(self._model, [rows]).log_softmax(-1)
        top, ids = log_probs.topk(min(self._settings.top_k, log_probs.shape[1]), dim=-1)
        sizes = [len(row.answer) for row in rows]
        parts = zip(torch.split(ids.cpu(), sizes), torch.split(top.cpu(), sizes), strict=True)
        return {
            question: Target(torch.tensor(row.answer, dtype=torch.int32), i.int(), t.half())
            for (question, row), (i, t) in zip(fit.items(), parts, strict=True)
        }

    def _row(self, context: Context, question: str, target: str) -> Row:
        prompt = self._prompts.asked(question, document=context.text)
        if self._settings.answers == "gold":
            return Row(prompt, self._prompts.answer(target))
        return Row(prompt, self._written(prompt))

    def _fits(self, row: Row) -> bool:
        limit = int(getattr(self._model.config, "max_position_embeddings", 0)) or len(row.prompt)
        short = len(row.answer) <= self._settings.max_answer_tokens + 1
        return short and len(row.prompt) + len(row.answer) <= max(limit, 1)

    def _written(self, prompt: Sequence[int]) -> list[int]:
        return greedy(self._model, prompt, self._prompts.end, self._settings.max_answer_tokens)


@torch.no_grad()
def greedy(model: Any, prompt: Sequence[int], end: int, most: int) -> list[int]:
    """The likeliest answer of at most ``most`` tokens, and ``end`` where it came to an end."""
    from transformers import DynamicCache

    from engines import families

    device = model.get_input_embeddings().weight.device
    cache, ids = DynamicCache(config=model.config), list(prompt)
    written: list[int] = []
    while len(written) < most:
        step = torch.tensor([ids], device=device)
        out = model.base_model(input_ids=step, past_key_values=cache, use_cache=True)
        logits = families.lm_head(model)(out.last_hidden_state[0, -1])
        ids = [int(logits.argmax())]
        written += ids
        if ids[0] == end:
            break
    return written
