"""A document's LoRA as it grows chunk by chunk, and how large and how wide it is by then.

‖s·BᵀA‖² is s²·Σ (AAᵀ)∘(BBᵀ), and the singular values of BᵀA follow from AAᵀ and BBᵀ alone,
so that no matrix of a weight's size is made, whatever the number of chunks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engines.doc2lora.hypernetwork import GeneratedLora
from engines.doc2lora.lora import Lora, effective_rank, layer_norms
from engines.protocol import EngineError

_NOISE = 1e-3  # below this share of the largest, a singular value is float32's rounding


@dataclass(frozen=True, slots=True)
class Grown:
    """After one more chunk: its own norms, those of all chunks together, the effective rank.

    Norms have one value for each layer.  ``effective_rank`` is the mean over the layers, and
    None where it wasn't measured.
    """

    norms: tuple[float, ...]
    total_norms: tuple[float, ...]
    rank: int
    effective_rank: float | None


class GrowingLora:
    """Room for the LoRAs of ``chunks`` chunks, filled one by one; nothing is kept twice.

    Args:
        shape: layers, rank of a chunk's LoRA, d_in and d_out.
        scaling: what the LoRA is multiplied by.
        dtype: the type in which it is kept; what is measured is what is kept.
    """

    def __init__(
        self,
        shape: tuple[int, int, int, int],
        chunks: int,
        scaling: float,
        *,
        device: str | torch.device,
        dtype: torch.dtype,
    ) -> None:
        layers, self._step, d_in, d_out = shape
        rank = self._step * chunks
        self._full = rank
        self._lora = Lora(
            torch.zeros(layers, rank, d_in, device=device, dtype=dtype),
            torch.zeros(layers, rank, d_out, device=device, dtype=dtype),
            scaling,
        )
        self._products = [torch.zeros(layers, rank, rank, device=device) for _ in "ab"]
        self._squares = torch.zeros(layers, device=device, dtype=torch.float64)
        self._chunks = self._rank = 0

    def add(self, chunk: GeneratedLora) -> Grown:
        """Take in the LoRA of the next chunk (``chunk.a`` is ``[1, layers, r, d_in]``).

        Raises:
            EngineError: if it is too large to compute with.
        """
        start, end = self._rank, self._rank + self._step
        self._lora.a[:, start:end] = chunk.a[0].to(self._lora.a)
        self._lora.b[:, start:end] = chunk.b[0].to(self._lora.b)
        for kept, products in zip((self._lora.a, self._lora.b), self._products, strict=True):
            _multiply(kept, products, start, end)
        products = self._products[0][:, start:end, :end] * self._products[1][:, start:end, :end]
        earlier = products[..., :start].double().sum((-1, -2))
        own = products[..., start:].double().sum((-1, -2))
        self._squares += own + 2 * earlier
        if not bool(self._squares.isfinite().all()):
            raise EngineError(
                f"The hypernetwork gave numbers too large to compute with for chunk "
                f"{self._chunks + 1}, so nothing was learned: choose another hypernetwork."
            )
        self._rank, self._chunks = end, self._chunks + 1
        return Grown(self._norms(own), self._norms(self._squares), end, self._width())

    def finish(self) -> Lora:
        """The whole LoRA, ``[layers, r·chunks, …]``; it is not copied."""
        return self._lora

    def _norms(self, squares: Tensor) -> tuple[float, ...]:
        return tuple((self._lora.scaling * squares.clamp(min=0).sqrt()).tolist())

    def _width(self) -> float | None:
        # At each doubling, so that all measurements together cost little more than the last.
        if self._chunks & (self._chunks - 1) and self._rank < self._full:
            return None
        a, b = (products[:, : self._rank, : self._rank] for products in self._products)
        widths = [_effective_rank(*pair) for pair in zip(a, b, strict=True)]
        return sum(widths) / len(widths)


def facts(lora: Lora) -> tuple[tuple[float, ...], float]:
    """Norms by layer, and the mean effective rank, of a whole LoRA; layer by layer."""
    layers = [Lora(a[None], b[None], lora.scaling) for a, b in zip(lora.a, lora.b, strict=True)]
    norms = tuple(float(layer_norms(layer)) for layer in layers)
    return norms, sum(float(effective_rank(layer)) for layer in layers) / len(layers)


def _multiply(kept: Tensor, products: Tensor, start: int, end: int) -> None:
    """Fill in the products of the new rows with all rows so far, layer by layer."""
    for layer, rows in enumerate(kept):
        new = rows[start:end].float() @ rows[:end].float().mT
        products[layer, start:end, :end] = new
        products[layer, :end, start:end] = new.mT


def _effective_rank(a: Tensor, b: Tensor) -> float:
    """The exponential of the entropy of BᵀA's singular values, from AAᵀ and BBᵀ ``[n, n]``."""
    values, vectors = torch.linalg.eigh(a.double())
    half = vectors * values.clamp(min=0).sqrt()
    squared = torch.linalg.eigvalsh(half.mT @ b.double() @ half).clamp(min=0)
    singular = squared.sqrt()
    singular = singular[singular > _NOISE * singular.max()]
    share = singular / singular.sum()
    return float((-torch.xlogy(share, share).sum()).exp()) if len(singular) else 0.0
