"""What can be set of both JitRL engines; nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Ranking = Literal["tfidf", "bm25", "hybrid"]
Mix = Literal["advantage", "interpolate"]


@dataclass(frozen=True, slots=True)
class PassageSettings:
    """How documents are cut into passages and how passages are found.

    ``chunk_tokens`` is the most a chunk holds and ``overlap_tokens`` how much of the one
    before it repeats, both ending with sentences where they can.  ``ranking`` is ``tfidf``,
    ``bm25`` by words, or ``hybrid``: BM25 by words and by character n-grams.
    ``char_ngrams`` adds these to the words in ``tfidf`` and ``hybrid``.  ``min_score`` (0..1)
    is what a passage must reach to count as relevant; None is
    ``ranking.RELEVANT_FROM``.
    """

    chunk_tokens: int = 256
    overlap_tokens: int = 48
    ranking: Ranking = "hybrid"
    char_ngrams: bool = True
    top_k: int = 3
    min_score: float | None = None


@dataclass(frozen=True, slots=True)
class JitRLMVPSettings:
    """``context_tokens`` is the most that passages take of the prompt; ``strength`` is the
    bias in nats of the rarest token (0 is none), ``decay`` what is left of it once used."""

    passages: PassageSettings = PassageSettings()
    context_tokens: int = 1024
    strength: float = 0.0
    decay: float = 0.0


@dataclass(frozen=True, slots=True)
class JitRLFullSettings:
    """How states are stored and how they move the logits.

    ``layer`` is the decoder layer whose MLP input is stored, None the one at four fifths;
    ``projection`` the width that states are projected to, 0 keeps their own.  ``window``
    and ``window_overlap`` (tokens) are how a long document is read.  Of ``chunk_candidates``
    chunks the ``neighbours`` nearest states count, with weights
    softmax(-d2 / (temperature * spread)), where the spread is the mean squared distance of
    general text's states to their mean, so a temperature means the same for every model.
    ``strength`` is the paper's beta in nats; with ``interpolate`` the share of the
    neighbours' distribution is ``share``.  ``feedback_rate`` is how far one verdict moves
    a return towards its aim.  ``gate_quantile`` is the share of general text that lies near
    enough to be moved at all.  ``context_chunks`` passages also go into the prompt.
    """

    passages: PassageSettings = PassageSettings()
    layer: int | None = None
    projection: int = 0
    window: int = 512
    window_overlap: int = 128
    chunk_candidates: int = 8
    neighbours: int = 16
    temperature: float = 0.05
    mix: Mix = "advantage"
    strength: float = 10.0
    share: float = 0.25
    feedback_rate: float = 0.75
    gate_quantile: float = 0.1
    context_chunks: int = 0
    context_tokens: int = 1024
