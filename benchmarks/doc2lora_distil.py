"""Gradient context distillation of one document: what a generated LoRA is measured beside.

The base is the teacher, with the document in view; a LoRA on every ``mlp.down_proj`` is
trained by AdamW, with a rate that falls as a cosine, to give the same without it: −Σ p·log q
over the teacher's 16 likeliest tokens at each token of the answers.  Those are the teacher's
own, or the data's (``gold``, as the shipped hypernetwork was taught).  All questions are one
batch; they are others than those asked to measure, with sentences of the document to go on
with.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from evaluation import IN_FEW_WORDS, Item
from torch import Tensor

from engines.doc2lora.applied import targets_of
from engines.doc2lora.lora import Lora
from engines.doc2lora.training.answering import Row, answer_logits
from engines.doc2lora.training.examples import Asked, Context
from engines.doc2lora.training.losses import token_losses
from engines.doc2lora.training.prompts import Prompts
from engines.doc2lora.training.self_written import completions
from engines.doc2lora.training.settings import TeacherSettings
from engines.doc2lora.training.teacher import Target, Teacher
from engines.host import ModelHost

FORM = IN_FEW_WORDS + "\n\nQuestion: {question}"  # as ``evaluation.question_turns`` asks
SCALING = 2.0  # alpha is twice the rank, as LoRAs are commonly trained


@dataclass(frozen=True)
class DistilSettings:
    """``steps`` of AdamW from ``rate`` down to 0; answers have ``answer_tokens`` at most."""

    steps: int = 60
    rate: float = 1e-3
    answer_tokens: int = 24
    answers: Literal["generated", "gold"] = "generated"
    seed: int = 0


@dataclass(frozen=True)
class Distilled:
    """The LoRA, what it took, and the loss per token before the first step and after the last."""

    lora: Lora
    taught: int
    teacher_seconds: float
    train_seconds: float
    first_loss: float
    last_loss: float


def distilled(
    host: ModelHost, text: str, questions: Sequence[Item], rank: int, s: DistilSettings
) -> Distilled:
    """Train a LoRA of ``rank`` on what the base says with ``text`` in view."""
    prompts = Prompts(host.tokenizer, (FORM,))
    began = time.perf_counter()
    taught = _taught(host, prompts, text, questions, s)
    told = time.perf_counter()
    a, b = _start(host, rank, s.seed)
    losses = _descended(host, prompts, taught, (a, b), s)
    seconds = time.perf_counter() - told
    lora = Lora(a.detach(), b.detach(), SCALING)
    return Distilled(lora, len(taught), told - began, seconds, losses[0], losses[-1])


def _taught(
    host: ModelHost, prompts: Prompts, text: str, questions: Sequence[Item], s: DistilSettings
) -> dict[str, Target]:
    asked = [Asked(item.question, item.answers) for item in questions]
    for context in completions([Context(text, (), "own")], s.seed):
        asked += context.asked
    teacher = Teacher(
        host.model, prompts, TeacherSettings(answers=s.answers, max_answer_tokens=s.answer_tokens)
    )
    found = teacher.targets(Context(text, tuple(asked), "own"))
    fit = {question: target for question, target in found.items() if len(target.answer)}
    if not fit:
        raise SystemExit("The teacher answered no question: choose shorter documents.")
    return fit


def _start(host: ModelHost, rank: int, seed: int) -> tuple[Tensor, Tensor]:
    """A random and B zero, so that nothing is changed at first."""
    targets = targets_of(host.model)
    layers, width = len(targets), targets[0].in_features
    chance = torch.Generator().manual_seed(seed)
    a = torch.randn(layers, rank, width, generator=chance) / math.sqrt(width)
    b = torch.zeros(layers, rank, targets[0].out_features)
    return a.to(host.device).requires_grad_(), b.to(host.device).requires_grad_()


def _descended(
    host: ModelHost,
    prompts: Prompts,
    taught: dict[str, Target],
    weights: tuple[Tensor, Tensor],
    s: DistilSettings,
) -> list[float]:
    """Loss per answer token before each step and after the last."""
    device = host.device
    rows = [Row(prompts.asked(q), target.answer.tolist()) for q, target in taught.items()]
    answer = torch.cat([t.answer for t in taught.values()]).long().to(device)
    top_ids = torch.cat([t.top_ids for t in taught.values()]).long().to(device)
    top = torch.cat([t.top_log_probs for t in taught.values()]).to(device)
    lora = Lora(*weights, SCALING)
    optimizer = torch.optim.AdamW(weights, lr=s.rate, weight_decay=0.0)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, s.steps)

    def loss_now() -> Tensor:
        logits = answer_logits(host.model, [rows], lora)
        return token_losses(logits, answer, top_ids, top).distil.mean()

    losses = []
    for _ in range(s.steps):
        loss = loss_now()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        falling.step()
        losses.append(float(loss.detach()))
    with torch.no_grad():
        losses.append(float(loss_now()))
    return losses
