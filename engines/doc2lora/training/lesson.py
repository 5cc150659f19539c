"""One batch through reader, hypernetwork and student, and what it says about the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from engines.doc2lora.hypernetwork import Hypernetwork
from engines.doc2lora.lora import Lora, compose_rows
from engines.doc2lora.reading import layer_states, padded
from engines.doc2lora.training.answering import answer_logits, answer_tokens
from engines.doc2lora.training.base import Base
from engines.doc2lora.training.batches import Batch
from engines.doc2lora.training.losses import lora_size, token_losses, token_weights
from engines.doc2lora.training.settings import LossSettings


@dataclass(frozen=True, slots=True)
class Totals:
    """What sums of a step are divided by, over all processes.

    ``weight`` is that of all answer tokens, ``tokens`` their number.
    """

    weight: float
    tokens: float
    documents: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """Sums over a batch, to be added over a step's batches.

    ``loss`` has the graph and is divided by the step's totals; ``distil`` and ``gold`` are
    sums of nats over the answer tokens, ``size`` over the documents.
    """

    loss: Tensor
    distil: Tensor
    gold: Tensor
    size: Tensor


def give(
    base: Base,
    network: Hypernetwork,
    batch: Batch,
    totals: Totals,
    wanted: LossSettings,
) -> Lesson:
    """The forward pass of one batch.

    Each document is read, and its LoRA generated, once for all its questions.
    """
    ids, mask = padded(batch.chunks, base.device)
    states = layer_states(base.model, ids, mask)
    with base.autocast():
        generated = network(states, mask)
    del states
    composed = compose_rows(generated, batch.counts, network.config.scaling)
    lora = _cast(composed, base.model.dtype)
    logits = answer_logits(base.model, batch.groups, lora)
    device = logits.device
    parts = token_losses(
        logits,
        answer_tokens(batch.groups).to(device),
        batch.top_ids.to(device),
        batch.top_log_probs.to(device),
    )
    weights = token_weights(batch.lengths, wanted.average).to(device)
    size = lora_size(generated, batch.counts).sum()
    per_token = wanted.distil * parts.distil + wanted.gold * parts.gold
    loss = (weights * per_token).sum() / totals.weight + wanted.l1 * size / totals.documents
    sums = parts.distil.detach().sum(), parts.gold.detach().sum(), size.detach()
    return Lesson(loss, *sums)


def _cast(lora: Lora, dtype: Any) -> Lora:
    return Lora(lora.a.to(dtype), lora.b.to(dtype), lora.scaling)
