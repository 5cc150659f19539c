"""How stored states that are near move the logits; tensors in, tensors out.

Everything is batched over ``n`` queries: one state while an answer is generated, many
when a text is scored.  ``k`` counts the neighbours of each query, ``m`` the stored states.
Nothing here reads the model's head, and nothing leaves the device it is on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_QUERIES_AT_ONCE = 64  # bounds the distances in memory to 64 × m numbers
_NEAR_SHARE = 0.5  # of far


def nearest(queries: Tensor, states: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Squared distances ``[n, k]``, rising, and row numbers ``[n, k]`` of the nearest states.

    ``queries`` ``[n, width]`` and ``states`` ``[m, width]`` may be stored in half
    precision; the arithmetic is float32.  With fewer than ``k`` states all come back.
    """
    wide = states.float()
    k = min(k, len(wide))
    squares = wide.square().sum(dim=1)
    found = [_nearest(part.float(), wide, squares, k) for part in _parts(queries)]
    if not found:
        empty = torch.zeros(0, k, device=states.device)
        return empty, empty.long()
    return torch.cat([d for d, _ in found]), torch.cat([rows for _, rows in found])


def _parts(queries: Tensor) -> list[Tensor]:
    return [queries[i : i + _QUERIES_AT_ONCE] for i in range(0, len(queries), _QUERIES_AT_ONCE)]


def _nearest(queries: Tensor, states: Tensor, squares: Tensor, k: int) -> tuple[Tensor, Tensor]:
    # |q|² is the same for all of a row, so it can't change which are nearest.
    ranked = squares - 2 * (queries @ states.T)
    rows = ranked.topk(k, dim=1, largest=False).indices
    # Those few anew, by difference: |q|² + |s|² − 2qs cancels where a distance is near 0.
    exact = (queries[:, None] - states[rows]).square().sum(dim=-1)
    exact, order = exact.sort(dim=1, stable=True)
    return exact, rows.gather(1, order)


def spread(states: Tensor) -> float:
    """Mean squared distance of ``states`` ``[m, width]`` to their mean.

    Measured on general text once per model, this is the unit in which a temperature
    means the same for every model, layer and projection.
    """
    wide = states.float()
    return float((wide - wide.mean(dim=0)).square().sum(dim=1).mean())


def similarity_weights(distances: Tensor, *, temperature: float, scale: float) -> Tensor:
    """softmax(−d² / (temperature · scale)), ``[n, k]``: each row sums to 1.

    ``distances`` are squared, ``scale`` is the ``spread`` of the model's states.

    Raises:
        ValueError: unless ``temperature`` and ``scale`` are above 0.
    """
    unit = temperature * scale
    if not (math.isfinite(unit) and temperature > 0 and scale > 0):
        raise ValueError(f"Temperature and scale must be above 0, not {temperature} and {scale}")
    return torch.softmax(-distances / unit, dim=1)


def state_value(weights: Tensor, returns: Tensor, tokens: Tensor, logits: Tensor) -> Tensor:
    """V̂ ``[n, 1]``: the mean of Q̂ over the candidates.

    Q̂ of a token is the sum of w_i·return_i over the neighbours with that token, 0 for one
    that none continues with.

    Those are the distinct tokens of the ``k`` neighbours joined with the ``k`` tokens that
    the model itself ranks highest in ``logits`` ``[n, vocabulary]``.
    """
    k = min(tokens.shape[1], logits.shape[1])
    candidates = torch.cat([tokens, logits.topk(k, dim=1).indices], dim=1).sort(dim=1).values
    repeated = (candidates.diff(dim=1) == 0).sum(dim=1, keepdim=True)
    distinct = (candidates.shape[1] - repeated).clamp(min=1)
    return (weights * returns).sum(dim=1, keepdim=True) / distinct


def advantage(
    logits: Tensor,
    weights: Tensor,
    returns: Tensor,
    tokens: Tensor,
    *,
    strength: float,
    openness: Tensor,
) -> Tensor:
    """``logits + β·g·(Q̂ − V̂)``, ``[n, vocabulary]``: the paper's closed form z + βÂ.

    ``weights``, ``returns`` and ``tokens`` are ``[n, k]``, ``openness`` ``[n]`` is g of the
    ``Gate``, ``strength`` is β in nats.  V̂ takes the same from every logit of a row, which
    leaves its softmax, and so what is chosen, unchanged; it makes a lift readable as one
    against the other candidates.  With β·g = 0 the logits come back to the bit.
    """
    reach = strength * openness.unsqueeze(1)
    moved = logits - reach * state_value(weights, returns, tokens, logits)
    return moved.scatter_add_(1, tokens, (reach * weights * returns).to(moved.dtype))


def interpolated(
    logits: Tensor, weights: Tensor, tokens: Tensor, *, share: float, openness: Tensor
) -> Tensor:
    """Logits of ``(1 − λ)·p + λ·p_kNN`` (kNN-LM, arXiv 1911.00172), ``[n, vocabulary]``.

    ``p`` is the softmax of ``logits``, p_kNN(a) the sum of the ``weights`` ``[n, k]`` of
    neighbours with token a, and λ = ``share`` · ``openness`` ``[n]``.  They keep the offset
    of ``logits``, so λ = 0 gives these to the bit.  Weights that sum to less than 1, as
    weights · max(return, 0) do, lower λ by as much: that is how verdicts count here.
    """
    mass = (share * openness).unsqueeze(1) * weights
    kept = torch.log1p(-mass.sum(dim=1, keepdim=True).clamp(max=1.0))
    lifted = torch.zeros_like(logits, dtype=torch.float32).scatter_add_(1, tokens, mass.float())
    change = torch.logaddexp(kept, lifted.log() - logits.float().log_softmax(dim=1))
    return logits + change


@dataclass(frozen=True, slots=True)
class Gate:
    """How much neighbours count by the squared distance of the nearest one.

    Up to ``near`` fully, from ``far`` on not at all, in between falling evenly.

    Raises:
        ValueError: unless 0 ≤ near < far, both finite.
    """

    near: float
    far: float

    def __post_init__(self) -> None:
        if not (0 <= self.near < self.far < math.inf):
            raise ValueError(f"A gate needs 0 <= near < far, not {self.near} and {self.far}")

    def openness(self, distances: Tensor) -> Tensor:
        """g ``[n]`` in 0..1, from squared distances ``[n, k]``; 0 where there is none."""
        if distances.shape[1] == 0:
            return torch.zeros(len(distances), device=distances.device)
        first = distances.amin(dim=1)
        return ((self.far - first) / (self.far - self.near)).clamp(0.0, 1.0)


def calibrated(unrelated: Tensor, quantile: float) -> Gate:
    """The gate that unrelated text leaves all but shut.

    ``unrelated`` ``[n]`` are squared distances from the states of general text to their
    nearest stored states: ``far`` is below all but a ``quantile`` (0..1) of them, and ``near``
    half of ``far``.

    Raises:
        ValueError: if ``unrelated`` holds nothing, or no number above 0.
    """
    if len(unrelated) == 0:
        raise ValueError("A gate can't be calibrated without distances of unrelated text")
    far = float(torch.quantile(unrelated.float(), quantile))
    if not far > 0:  # the general text itself is stored: take the least that is apart
        apart = unrelated[unrelated > 0]
        far = float(apart.min()) if len(apart) else 0.0
    return Gate(near=_NEAR_SHARE * far, far=far)
