"""What a model must not lose: general text, read once, and the gate's background counts.

Both belong to the base model, so they are prepared once and serve every document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from engines.host import ModelHost
from engines.texts import calibration_passages, held_out_passages, passages_from
from engines.ttt.gate import GateCache, GateStatistics, calibrate
from engines.ttt.progress import Meter
from engines.ttt.settings import TTTSettings
from engines.ttt.upper import Recordings, Span, UpperLayers

HELD_OUT_TOKENS = 256  # read per passage: enough for a loss, few enough to measure each pass
CALIBRATION_WORK = 400.0  # one calibration passage in the units of ``Meter``


class Retention:
    """Held-out recordings and gate statistics of one base model.

    Args:
        cache: folder for the statistics, made when needed.
    """

    def __init__(
        self,
        host: ModelHost,
        upper: UpperLayers,
        layers: Sequence[int],
        settings: TTTSettings,
        cache: Path,
    ) -> None:
        self._host = host
        self._layers = layers
        corpus = _passages(settings.gate_corpus, calibration_passages)
        self._passages = corpus[: settings.gate_calibration_samples]
        self._cache = GateCache(cache, host, layers)
        self._statistics: GateStatistics | None = None
        texts = _passages(settings.held_out_corpus, held_out_passages)
        ids = [host.encode(text)[:HELD_OUT_TOKENS] for text in texts]
        self.recordings = Recordings(upper, [Span(i, len(i) - 1) for i in ids if len(i) > 1])
        self._recorded = False

    @property
    def tokens(self) -> int:
        """How many held-out tokens are predicted; 0 if there is no held-out text."""
        return self.recordings.tokens

    @property
    def counts(self) -> GateStatistics | None:
        """The background counts, or None before ``calibrate`` ran."""
        return self._statistics

    def work_left(self, *, gated: bool) -> float:
        """What ``record`` and, if ``gated``, ``calibrate`` have yet to do, as ``Meter`` counts."""
        work = 0.0 if self._recorded else 2.0 * self.tokens
        if gated and self._statistics is None:
            self._statistics = self._cache.load(self._passages)
            work += 0.0 if self._statistics else CALIBRATION_WORK * len(self._passages)
        return work

    def record(self, meter: Meter) -> Iterator[None]:
        """Read the held-out text, one yield per passage that is read now."""
        if self._recorded:
            return
        for new in self.recordings.read():
            meter.did(2 * new)
            yield
        self._recorded = True

    def calibrate(self, meter: Meter) -> Iterator[None]:
        """Make ``counts`` ready, one yield per passage that is counted now."""
        if self._statistics is not None:
            return
        counted = None
        for running in calibrate(self._host, self._layers, self._passages):
            meter.did(CALIBRATION_WORK)
            counted = running
            yield
        self._statistics = counted
        if counted:
            self._cache.save(self._passages, counted)


def _passages(corpus: Path | None, shipped: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    return passages_from(corpus) if corpus else shipped()
