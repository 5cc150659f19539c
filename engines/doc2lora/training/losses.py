"""What the hypernetwork is trained to make small.

    loss = distil · CE(teacher's top k) + gold · CE(answer) + l1 · |LoRA|

The first and the last are as published (SakanaAI/doc-to-lora, ``trainer.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.doc2lora.hypernetwork import GeneratedLora


@dataclass(frozen=True, slots=True)
class Parts:
    """Per answer token, ``[answer tokens]`` each, before weights and means.

    Attributes:
        distil: −Σ p·log q over the teacher's top k.
        gold: −log q of the answer's own token.
    """

    distil: Tensor
    gold: Tensor


def token_losses(logits: Tensor, answer: Tensor, top_ids: Tensor, top_log_probs: Tensor) -> Parts:
    """Both cross-entropies of each answer token.

    Args:
        logits: the student's, ``[tokens, vocabulary]``.
        answer: the tokens of the answers, ``[tokens]``.
        top_ids: the teacher's likeliest tokens, ``[tokens, k]``.
        top_log_probs: their log-probabilities over the whole vocabulary, ``[tokens, k]``.

    The teacher's probabilities p are *not* renormalised over the k, as published: what it
    gives to other tokens pulls nowhere, and an unsure position counts less.  Differs from
    the KL divergence by the teacher's entropy, which has no gradient.
    """
    log_sum = logits.logsumexp(dim=-1, keepdim=True)
    log_q = logits.gather(1, top_ids) - log_sum
    gold = log_sum[:, 0] - logits.gather(1, answer[:, None])[:, 0]
    return Parts(-(top_log_probs.float().exp() * log_q).sum(-1), gold)


def lora_size(generated: GeneratedLora, counts: Sequence[int]) -> Tensor:
    """Mean absolute size of each document's generated LoRA, ``[documents]``, A's plus B's.

    A mean over layers, rows and columns.  As published: A and B are taken after their
    scalers, and without the bias LoRA; of a document's several chunks the sizes add up.
    """
    sizes = generated.a.float().abs().mean((1, 2, 3)) + generated.b.float().abs().mean((1, 2, 3))
    return torch.stack([part.sum() for part in torch.split(sizes, list(counts))])


def token_weights(lengths: Sequence[Sequence[int]], average: str) -> Tensor:
    """How much each answer token counts, ``[answer tokens]``; their sum is ``total_weight``.

    Args:
        lengths: tokens of each answer, by document.
        average: ``token`` for 1 each; ``context`` for the mean over an answer's tokens, then
            over a document's questions.
    """
    if average == "token":
        return torch.ones(sum(map(sum, lengths)))
    parts = [
        torch.full((length,), 1 / (length * len(group))) for group in lengths for length in group
    ]
    return torch.cat(parts)
