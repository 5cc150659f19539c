"""Sums over some steps, and the line of the curve that they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engines.doc2lora.training.events import StepDone
from engines.doc2lora.training.lesson import Totals


@dataclass(slots=True)
class Window:
    """What was seen since the last line; ``seconds`` are added by the loop."""

    seconds: float = 0.0
    steps: int = 0
    _loss: float = 0.0
    _distil: float = 0.0
    _gold: float = 0.0
    _size: float = 0.0
    _norm: float = 0.0
    _answer_tokens: float = 0.0
    _documents: float = 0.0
    _questions: float = 0.0
    _tokens: float = 0.0

    def add(
        self, sums: Sequence[float], norm: float, totals: Totals, questions: float, tokens: float
    ) -> None:
        """Take in a step: ``sums`` are those of loss, distil, gold and LoRA size in a Lesson."""
        loss, distil, gold, size = sums
        self.steps += 1
        self._loss += loss
        self._distil += distil
        self._gold += gold
        self._size += size
        self._norm += norm
        self._answer_tokens += totals.tokens
        self._documents += totals.documents
        self._questions += questions
        self._tokens += tokens

    def line(self, step: int, stage: int, rate: float, seconds: float) -> StepDone:
        """Means over the window, which has at least one step."""
        return StepDone(
            step=step,
            stage=stage,
            loss=self._loss / self.steps,
            distil=self._distil / self._answer_tokens,
            gold=self._gold / self._answer_tokens,
            lora_size=self._size / self._documents,
            learning_rate=rate,
            gradient_norm=self._norm / self.steps,
            contexts=int(self._documents),
            questions=int(self._questions),
            tokens_per_second=self._tokens / max(self.seconds, 1e-9),
            seconds=seconds,
        )
