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
from engines.ttt.upper import Recording, Span, UpperLayers

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
        self._upper = upper
        self._layers = layers
        self._settings = settings
        self._cache = GateCache(cache, host, layers)
        self._statistics: GateStatistics | None = None
        self._recordings: list[Recording] | None = None

    @property
    def recordings(self) -> list[Recording]:
        """Held-out passages as the upper layers see them; empty if none is long enough."""
        if self._recordings is None:
            texts = _passages(self._settings.held_out_corpus, held_out_passages)
            ids = [self._host.encode(text)[:HELD_OUT_TOKENS] for text in texts]
            self._recordings = [
                self._upper.record(Span(one, len(one) - 1)) for one in ids if len(one) > 1
            ]
        return self._recordings

    def statistics(self, meter: Meter) -> Iterator[None]:
        """Make ``counts`` ready, one yield per passage that is counted now."""
        wanted = self._settings.gate_calibration_samples
        passages = _passages(self._settings.gate_corpus, calibration_passages)[:wanted]
        if self._statistics is None:
            self._statistics = self._cache.load(passages)
        if self._statistics is not None:
            return
        meter.plan(CALIBRATION_WORK * len(passages))
        counted = None
        for running in calibrate(self._host, self._layers, passages):
            meter.did(CALIBRATION_WORK)
            counted = running
            yield
        self._statistics = counted
        if counted:
            self._cache.save(passages, counted)

    @property
    def counts(self) -> GateStatistics | None:
        """The background counts, or None before ``statistics`` ran."""
        return self._statistics


def _passages(corpus: Path | None, shipped: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    return passages_from(corpus) if corpus else shipped()
