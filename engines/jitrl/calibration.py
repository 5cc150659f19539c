"""How near is near: the states of general text say which stored states are strangers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.host import ModelHost
from engines.jitrl.neighbours import Gate, calibrated, nearest, spread
from engines.jitrl.recording import Projection, record
from engines.jitrl.search import StateStore
from engines.jitrl.settings import JitRLFullSettings
from engines.texts import held_out_passages

_MOST_TOKENS = 400  # of each general passage
_SMALLEST_SHARE = 1e-6  # of the spread, where every general state is stored itself


@dataclass(frozen=True, slots=True)
class Measure:
    """The gate over what is stored, and the unit of squared distances (``spread``)."""

    gate: Gate
    scale: float


class Calibration:
    """Reads the general text once, on first need, and sets the gate anew for another store."""

    def __init__(
        self, host: ModelHost, settings: JitRLFullSettings, projection: Projection
    ) -> None:
        self._host = host
        self._settings = settings
        self._projection = projection
        self._general: list[Tensor] = []
        self._scale = 0.0
        self._latest: tuple[object, Measure] | None = None

    def of(self, store: StateStore, silent: Collection[str]) -> Measure:
        """The measure for ``store`` without its ``silent`` documents; others must be there.

        Distances are taken to the candidates of each passage, as they are for an answer.
        """
        paths = tuple(file.path for file in store.documents.values())
        key = (paths, frozenset(silent))
        if self._latest is None or self._latest[0] != key:
            self._latest = (key, self._measured(store, silent))
        return self._latest[1]

    def _measured(self, store: StateStore, silent: Collection[str]) -> Measure:
        for _ in self.reading():
            pass
        found = [self._distances(states, store, silent) for states in self._general]
        distances = torch.cat(found)
        if not bool((distances > 0).any()):
            return Measure(Gate(near=0.0, far=_SMALLEST_SHARE * self._scale), self._scale)
        return Measure(calibrated(distances), self._scale)

    def _distances(self, states: Tensor, store: StateStore, silent: Collection[str]) -> Tensor:
        count = self._settings.chunk_candidates
        hits = store.candidates(states.mean(dim=0), count, leaving_out=silent)
        return nearest(states, store.gather(hits).states, 1)[0].flatten()

    def reading(self) -> Iterator[tuple[int, int]]:
        """Read the general text now: how many of its passages are read, of how many.

        Nothing comes where that was done before.  Closing the iterator early leaves it undone.
        """
        if self._general:
            return
        passages = held_out_passages()
        read: list[Tensor] = []
        for passage in passages:
            ids = self._host.encode(passage)[:_MOST_TOKENS]
            parts = record(self._host, ids, self._settings, self._projection)
            read.append(torch.cat([part.states for part in parts]).to(self._host.device))
            yield len(read), len(passages)
        self._general, self._scale = read, spread(torch.cat(read))
