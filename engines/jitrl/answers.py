"""What goes into the prompt of an answer, and what is remembered of it to be rated."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import torch
from torch import Tensor

from engines.abilities import Feedback, Rating
from engines.host import Adjuster, ModelHost
from engines.jitrl.context import with_passages
from engines.jitrl.returns import Returns, Used
from engines.jitrl.settings import JitRLFullSettings
from engines.protocol import EngineError, Nudge, Retrieval, Turn

NO_ROOM = (
    "No passage fits into the prompt: raise jitrl_full.context_tokens, or begin a new conversation."
)


@dataclass(slots=True)
class LastAnswer:
    """An answer, how many of its tokens rested on stored ones, on which, and the verdict."""

    question: str
    text: str
    tokens: int
    used: tuple[Used, ...]
    verdict: Feedback | None = None

    def rate(self, rating: Rating, returns: Returns, rate: float) -> Feedback:
        """Move ``returns`` by a verdict.

        Raises:
            EngineError: if the answer is rated already or used nothing that is stored.
        """
        if self.verdict is not None:
            raise EngineError("The last answer is rated already: undo that rating to change it.")
        self.verdict = returns.rate(
            rating,
            self.used,
            rate=rate,
            question=self.question,
            answer=self.text,
            tokens=self.tokens,
            rated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        return self.verdict

    def undone(self, verdict: Feedback) -> None:
        """Told that ``verdict`` was taken back: if it was this answer's, it may be rated anew."""
        # Its counts may have changed since, where a document was forgotten.
        if self.verdict is not None and self.verdict.number == verdict.number:
            self.verdict = None

    def forget(self, document_id: str, in_force: Sequence[Feedback]) -> None:
        """Drop what a forgotten document had to do with it; ``in_force`` are the verdicts left."""
        self.used = tuple(part for part in self.used if part.document_id != document_id)
        if self.verdict is not None and self.verdict.number not in {f.number for f in in_force}:
            self.verdict = None


class Watched:
    """An ``Adjuster`` that passes everything on to another; ``moved`` once that moved a logit."""

    def __init__(self, adjuster: Adjuster) -> None:
        self._adjuster = adjuster
        self.moved = False

    def adjust(self, seen: Tensor, logits: Tensor) -> Tensor:
        """What the other makes of ``logits`` ``[1, vocabulary]``."""
        adjusted = self._adjuster.adjust(seen, logits)
        self.moved = self.moved or not torch.equal(adjusted, logits)
        return adjusted

    def chosen(self, token: int) -> Nudge | None:
        """What the other tells of the token that was taken."""
        return self._adjuster.chosen(token)


def with_context(
    host: ModelHost,
    turns: Sequence[Turn],
    told: Retrieval,
    settings: JitRLFullSettings,
    new_tokens: int,
) -> tuple[Retrieval, Sequence[Turn]]:
    """Put the first ``settings.context_chunks`` of what was found into the prompt.

    Raises:
        EngineError: if the question alone leaves no room for ``new_tokens``.
    """
    best = told.passages[: settings.context_chunks]
    least = settings.passages.min_score or 0.0
    offered = [passage for passage in best if passage.score >= least]
    context = with_passages(
        host, turns, offered, new_tokens=new_tokens, budget=settings.context_tokens
    )
    told = dataclasses.replace(
        told,
        passages=(*context.passages, *told.passages[len(context.passages) :]),
        context_tokens=context.tokens,
        note=NO_ROOM if offered and not context.used else None,
    )
    return told, context.turns
