"""How near is near: the states of general text say which stored states are strangers."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engines.atomic import write_atomically
from engines.host import ModelHost
from engines.jitrl.asked import question_state
from engines.jitrl.neighbours import Gate, calibrated, nearest, spread
from engines.jitrl.recording import Projection, layer_index, record
from engines.jitrl.search import Space, StateStore
from engines.jitrl.settings import JitRLFullSettings
from engines.jitrl.state_file import half_precision
from engines.protocol import EngineError
from engines.texts import general_questions, held_out_passages

log = logging.getLogger(__name__)

_MOST_TOKENS = 400  # of each general passage
_QUESTIONS = 32  # fewer leave more of their own subject in the mean
_LEAST_DEVIATION = 0.01  # of the mean one
_SMALLEST_SHARE = 1e-6  # of the spread, where every general state is stored itself


@dataclass(frozen=True, slots=True)
class Measure:
    """The gate over what is stored, the unit of squared distances (``spread``), and the space
    that chunks are found in."""

    gate: Gate
    scale: float
    space: Space


class Calibration:
    """Reads the general text once, on first need, and sets the gate anew for another store.

    What was read is kept in the folder ``cache``, as it is the same for all documents.
    """

    def __init__(
        self,
        host: ModelHost,
        settings: JitRLFullSettings,
        projection: Projection,
        *,
        cache: Path | None = None,
    ) -> None:
        self._host = host
        self._settings = settings
        self._projection = projection
        self._cache = cache
        self._general: list[Tensor] = []
        self._scale = 0.0
        self._space: Space | None = None
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

    @property
    def space(self) -> Space:
        """Where chunks are found; it is the same for every store."""
        for _ in self.reading():
            pass
        if self._space is None:
            raise EngineError("The general text is empty: install the workbench anew.")
        return self._space

    def _measured(self, store: StateStore, silent: Collection[str]) -> Measure:
        space = self.space
        found = [self._distances(states, store, space, silent) for states in self._general]
        distances = torch.cat(found)
        if not bool((distances > 0).any()):
            gate = Gate(near=0.0, far=_SMALLEST_SHARE * self._scale)
            return Measure(gate, self._scale, space)
        gate = calibrated(distances, self._settings.gate_quantile)
        return Measure(gate, self._scale, space)

    def _distances(
        self, states: Tensor, store: StateStore, space: Space, silent: Collection[str]
    ) -> Tensor:
        count = self._settings.chunk_candidates
        direction = space.of_text(states.mean(dim=0))
        hits = store.candidates(direction, count, space, leaving_out=silent)
        return nearest(states, store.gather(hits).states, 1)[0].flatten()

    def reading(self) -> Iterator[tuple[int, int]]:
        """Read the general text and questions now: how many are read, of how many.

        Nothing comes where that was done before.  Closing the iterator early leaves it undone.
        """
        passages = held_out_passages()
        questions = [question for question, _ in general_questions("probe")[:_QUESTIONS]]
        path = self._path(passages, questions)
        if self._general or self._restored(path, len(passages)):
            return
        total = len(passages) + len(questions)
        read: list[Tensor] = []
        for passage in passages:
            read.append(self._states(passage))
            yield len(read), total
        asked: list[Tensor] = []
        for question in questions:
            asked.append(question_state(self._host, self._settings.layer, question))
            yield len(read) + len(asked), total
        centre = self._projection(torch.stack(asked).mean(dim=0))
        self._keep(path, read, centre)
        self._use(read, centre)

    def _states(self, passage: str) -> Tensor:
        ids = self._host.encode(passage)[:_MOST_TOKENS]
        parts = record(self._host, ids, self._settings, self._projection)
        # Half precision, as documents are stored.
        return half_precision(torch.cat([part.states for part in parts]))

    def _use(self, read: Sequence[Tensor], question_centre: Tensor) -> None:
        device = self._host.device
        self._general = [states.to(device).float() for states in read]
        together = torch.cat(self._general)
        self._scale = spread(together)
        deviation = together.std(dim=0)
        self._space = Space(
            centre=together.mean(dim=0),
            question_centre=question_centre.to(device),
            # A dimension in which nothing differs must not count without bound.
            deviation=deviation.clamp(min=_LEAST_DEVIATION * float(deviation.mean())),
        )

    def _path(self, passages: Sequence[str], questions: Sequence[str]) -> Path | None:
        if self._cache is None:
            return None
        # The template and the tokenizer decide what is read, as the text does.
        template = str(self._host.tokenizer.chat_template)
        ids = str(self._host.encode(passages[0]).tolist())
        read = "\x00".join((*passages, *questions, template, ids))
        text = hashlib.sha256(read.encode()).hexdigest()[:12]
        layer = layer_index(self._host.model, self._settings.layer)
        overlap = self._settings.window_overlap
        place = f"{layer}-{self._projection.width}-{self._settings.window}-{overlap}"
        return self._cache / f"states-{self._host.fingerprint}-{place}-{text}.safetensors"

    def _restored(self, path: Path | None, passages: int) -> bool:
        """Whether what another session kept could be read, and is used now."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if path is None:
            return False
        try:
            tensors = load_file(path)
            read = [tensors[str(number)] for number in range(passages)]
            centre = tensors["question_centre"]
        except (OSError, SafetensorError, KeyError, ValueError):
            return False
        width = self._projection.width
        if centre.shape != (width,) or any(s.ndim != 2 or s.shape[1] != width for s in read):
            return False
        self._use(read, centre)
        return True

    def _keep(self, path: Path | None, read: Sequence[Tensor], centre: Tensor) -> None:
        from safetensors.torch import save

        if path is None:
            return
        tensors = {str(n): states.cpu().contiguous() for n, states in enumerate(read)}
        try:
            write_atomically(path, save(tensors | {"question_centre": centre.cpu()}))
        except EngineError as error:
            log.warning("the general text will be read again: %s", error)
