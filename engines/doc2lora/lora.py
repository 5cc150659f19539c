"""LoRAs of chunks and documents put together along their rank, and dials for how strong.

A LoRA adds ``scaling · (x aᵀ) b`` to what ``mlp.down_proj`` gives, so rows of A and B one
under the other add up what each pair would add alone: K chunks of rank r and the bias LoRA
are one LoRA of rank r·(K + 1).  The published scaling, 2·r^1.5 with r the rank of one
chunk, is not divided by any rank.  Several documents are more chunks beside one bias.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.doc2lora.hypernetwork import GeneratedLora
from engines.protocol import EngineError


@dataclass(frozen=True, slots=True)
class Lora:
    """One LoRA for every layer, or one for every layer and row of a batch.

    Attributes:
        a: ``[layers, rank, d_in]`` or ``[rows, layers, rank, d_in]``.
        b: ``[layers, rank, d_out]`` or ``[rows, layers, rank, d_out]``.
        scaling: what ``(x aᵀ) b`` is multiplied by.
    """

    a: Tensor
    b: Tensor
    scaling: float

    @property
    def layers(self) -> int:
        """How many decoder layers it is for."""
        return self.a.shape[-3]

    @property
    def rank(self) -> int:
        """Of the whole, after composition."""
        return self.a.shape[-2]

    @property
    def rows(self) -> int | None:
        """How many rows of a batch have a LoRA of their own; None where all share this one."""
        return self.a.shape[0] if self.a.dim() == 4 else None

    @property
    def numbers(self) -> int:
        """How many numbers it has."""
        return self.a.numel() + self.b.numel()

    def delta(self, layer: int) -> Tensor:
        """What it adds to the weight of one layer's target: ``[d_out, d_in]``."""
        return self.scaling * self.b[..., layer, :, :].mT @ self.a[..., layer, :, :]


@dataclass(frozen=True, slots=True)
class Weighted:
    """A document's LoRAs and how strongly it counts: 1 as learned, 0 muted."""

    generated: GeneratedLora
    weight: float = 1.0

    def __post_init__(self) -> None:
        _check_dial("A document's weight", self.weight)


def chunks_lora(generated: GeneratedLora, scaling: float, *, strength: float = 1.0) -> Lora:
    """A document's chunks as one LoRA of rank r·K, without the bias LoRA.

    ``strength`` multiplies A alone, so the effect is linear in it.
    """
    a, b = _joined(generated.a) * strength, _joined(generated.b)
    return Lora(a, b, scaling)


def bias_lora(generated: GeneratedLora, scaling: float, *, strength: float = 1.0) -> Lora | None:
    """The bias LoRA alone, of rank r; None where the network has none or its strength is 0.

    Unlike the published code, which multiplies both A and B, the effect is linear in
    ``strength``.
    """
    if generated.bias_a is None or generated.bias_b is None or strength == 0:
        return None
    return Lora(generated.bias_a * strength, generated.bias_b, scaling)


def compose(
    documents: Sequence[Weighted],
    scaling: float,
    *,
    context_strength: float = 1.0,
    bias_strength: float = 1.0,
) -> Lora | None:
    """All documents and one bias LoRA as a single LoRA; None where it would do nothing.

    Each document's chunks count by its weight times ``context_strength``.  The bias counts
    by ``bias_strength`` and by the largest weight if that is below 1, so that it fades with
    the last document and is gone when all are muted.

    Raises:
        EngineError: if a dial is not a finite number.
    """
    _check_dial("The context strength", context_strength)
    _check_dial("The bias strength", bias_strength)
    heard = [d for d in documents if d.weight != 0]
    if not heard:
        return None
    parts = [
        chunks_lora(d.generated, scaling, strength=d.weight * context_strength)
        for d in heard
        if context_strength != 0
    ]
    loudest = min(1.0, max(abs(d.weight) for d in heard))
    bias = bias_lora(heard[0].generated, scaling, strength=bias_strength * loudest)
    parts += [] if bias is None else [bias]
    return concatenated(parts) if parts else None


def compose_rows(generated: GeneratedLora, counts: Sequence[int], scaling: float) -> Lora:
    """One LoRA for each row of a batch, for training: ``[rows, layers, r·(Kmax + 1), …]``.

    ``counts[i]`` of the generated chunks, in order, belong to row i.  Rows with fewer chunks
    than the longest have rows of zeros in A and B, which add nothing.

    Raises:
        EngineError: if the counts don't add up to the chunks.
    """
    if sum(counts) != len(generated) or min(counts, default=0) < 1:
        raise EngineError(
            f"{len(generated)} chunks can't be dealt out as {list(counts)}: give at least one "
            "chunk to every row."
        )
    a = _dealt(generated.a, counts, generated.bias_a)
    b = _dealt(generated.b, counts, generated.bias_b)
    return Lora(a, b, scaling)


def concatenated(loras: Sequence[Lora]) -> Lora:
    """One LoRA that adds what all of them add; its rank is the sum of theirs.

    Another scaling than the first one's goes into A.

    Raises:
        EngineError: if there is none.
    """
    if not loras:
        raise EngineError("There is no LoRA to put together: learn a document first.")
    scaling = loras[0].scaling
    a = torch.cat([x.a * (x.scaling / scaling) for x in loras], dim=-2)
    return Lora(a, torch.cat([x.b for x in loras], dim=-2), scaling)


def layer_norms(lora: Lora) -> Tensor:
    """Frobenius norm of what is added to each layer's weight: ``[layers]`` or ``[rows, layers]``.

    ‖s·BᵀA‖² = s²·Σ (AAᵀ)∘(BBᵀ), so no matrix of the weight's size is made.
    """
    a, b = lora.a.detach().double(), lora.b.detach().double()
    squared = ((a @ a.mT) * (b @ b.mT)).sum((-1, -2))
    return (lora.scaling * squared.clamp(min=0).sqrt()).float()


def effective_rank(lora: Lora) -> Tensor:
    """The exponential of the entropy of each layer's normalised singular values, ``[layers]``.

    1 where a single direction carries all, the full rank where all carry the same, 0 for a
    LoRA of zeros (Roy and Vetterli, "The effective rank", 2007).
    """
    upper_a = torch.linalg.qr(lora.a.detach().double().mT).R
    upper_b = torch.linalg.qr(lora.b.detach().double().mT).R
    values = torch.linalg.svdvals(upper_b @ upper_a.mT)
    total = values.sum(-1, keepdim=True)
    share = values / total.clamp(min=torch.finfo(values.dtype).tiny)
    entropy = -torch.xlogy(share, share).sum(-1)
    return torch.where(total[..., 0] > 0, entropy.exp(), 0.0).float()


def _joined(parts: Tensor) -> Tensor:
    """``[chunks, layers, r, d]`` as ``[layers, chunks·r, d]``, the first chunk's rows first."""
    return parts.transpose(0, 1).flatten(1, 2)


def _dealt(parts: Tensor, counts: Sequence[int], bias: Tensor | None) -> Tensor:
    rows = []
    rank = parts.shape[2] * (max(counts) + (bias is not None))
    for chunk in torch.split(parts, list(counts)):
        row = _joined(chunk) if bias is None else torch.cat([_joined(chunk), bias], dim=1)
        rows.append(torch.nn.functional.pad(row, (0, 0, 0, rank - row.shape[1])))
    return torch.stack(rows)


def _check_dial(what: str, value: float) -> None:
    if not math.isfinite(value):
        raise EngineError(f"{what} is {value}: give a number, such as 1 (as learned) or 0 (off).")
