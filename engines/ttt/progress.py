"""Progress events of a learn, from counted work and a clock."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from engines.protocol import Progress

READ_WORK = 2.0  # reading one token, in tokens through the upper layers
STEP_WORK = 3.0  # a gradient step on one token, likewise


class Meter:
    """Counts work and keeps the last measured values for the next event.

    Work is counted in tokens that ran through the upper layers; a gradient step costs
    three times a forward pass.  ``plan`` is called once the amount is known, so a
    fraction is never a guess.
    """

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._planned = 0.0
        self._done = 0.0
        self._learning_seconds = 0.0
        self._now = Progress(stage="reading", fraction=0.0, seconds=0.0)

    @property
    def seconds(self) -> float:
        """Wall time since the learn began."""
        return time.perf_counter() - self._began

    @property
    def tokens_per_second(self) -> float | None:
        """Learned tokens per second of gradient steps, each token once per pass."""
        if not self._learning_seconds:
            return None
        return self._now.tokens_seen / self._learning_seconds

    def plan(self, work: float) -> None:
        """Add ``work`` to what has to be done."""
        self._planned += work

    def did(self, work: float) -> None:
        """Count ``work`` as done."""
        self._done += work

    def finish(self, left: float) -> None:
        """Count everything planned as done but ``left``, as after an early end."""
        self._done = max(self._done, self._planned - left)

    def learned(self, tokens: int, seconds: float) -> None:
        """Count one gradient step over ``tokens``."""
        self._learning_seconds += seconds
        self._now = dataclasses.replace(self._now, tokens_seen=self._now.tokens_seen + tokens)

    def _share(self) -> float:
        return min(1.0, self._done / self._planned) if self._planned else 0.0

    def event(self, stage: str, **measured: Any) -> Progress:
        """The next event: ``measured`` fields change, the others keep their last value."""
        self._now = dataclasses.replace(
            self._now,
            stage=stage,
            fraction=max(self._now.fraction, self._share()),
            seconds=self.seconds,
            tokens_per_second=self.tokens_per_second,
            **measured,
        )
        return self._now
