"""Moving the logits of each step of an answer by the stored states that are near."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor

from engines.host import ModelHost
from engines.jitrl.calibration import Measure
from engines.jitrl.neighbours import advantage, interpolated, nearest, similarity_weights
from engines.jitrl.recording import Capture, Projection, mlp_inputs
from engines.jitrl.returns import Returns, Used
from engines.jitrl.search import ChunkHit, Gathered, StateStore
from engines.jitrl.settings import JitRLFullSettings
from engines.protocol import Nudge

_LEAST_WEIGHT = 0.01  # of a neighbour that a token is said to rest on


@dataclass(frozen=True, slots=True)
class Moved:
    """Logits ``[n, vocabulary]`` that were moved, and by which rows of what was gathered.

    ``rows``, ``tokens`` and ``weights`` are ``[n, k]``; the weights count the gate in.
    """

    logits: Tensor
    rows: Tensor
    tokens: Tensor
    weights: Tensor


def moved(
    states: Tensor,
    logits: Tensor,
    found: Gathered,
    *,
    settings: JitRLFullSettings,
    measure: Measure,
    strength: float,
) -> Moved:
    """Move ``logits`` ``[n, vocabulary]`` at ``states`` ``[n, width]`` towards what followed.

    ``strength`` is β in nats for the advantage; with ``mix`` ``interpolate`` the share is the
    setting's.
    """
    distances, rows = nearest(states, found.states, settings.neighbours)
    weights = similarity_weights(distances, temperature=settings.temperature, scale=measure.scale)
    openness = measure.gate.openness(distances)
    tokens, returns = found.tokens[rows], found.returns[rows]
    if settings.mix == "advantage":
        new = advantage(logits, weights, returns, tokens, strength=strength, openness=openness)
    else:
        new = _mixed(logits, weights * returns.clamp(min=0), tokens, settings.share, openness)
    return Moved(new, rows, tokens, weights * openness.unsqueeze(1))


def _mixed(
    logits: Tensor, weights: Tensor, tokens: Tensor, share: float, openness: Tensor
) -> Tensor:
    # Returns above 1 must not give the neighbours more than the whole of the distribution.
    whole = (share * weights.sum(dim=1, keepdim=True)).clamp(min=1.0)
    return interpolated(logits, weights / whole, tokens, share=share, openness=openness)


class Steering:
    """An ``Adjuster``; give ``around`` to the host's ``generate`` too.

    Chunks are found by the mean state of the question's tokens and the answer's so far.
    ``place`` is that of ``asked.question_place``; ``shown`` are the chunks that a nudge's indices
    mean, those of the question itself where none are given.  With ``strength`` 0 the logits
    come back as they are.
    """

    def __init__(
        self,
        host: ModelHost,
        store: StateStore,
        returns: Returns,
        *,
        settings: JitRLFullSettings,
        projection: Projection,
        measure: Measure,
        strength: float,
        place: tuple[int, int],
        silent: Collection[str] = (),
        shown: tuple[ChunkHit, ...] | None = None,
    ) -> None:
        self._host = host
        self._store = store
        self._returns = returns
        self._settings = settings
        self._projection = projection
        self._measure = measure
        self._strength = strength
        self._place = place
        self._silent = frozenset(silent)
        self.shown = shown
        self._capture = Capture()
        self._sum: Tensor | None = None
        self._count = 0
        self._step: tuple[Gathered, Moved, Tensor] | None = None
        self._used: dict[str, dict[int, float]] = {}
        self.used_tokens = 0

    @contextmanager
    def around(self) -> Iterator[None]:
        """The block of one forward pass: its states are seen, nothing is changed."""
        with mlp_inputs(self._host.model, self._settings.layer) as self._capture:
            yield

    def adjust(self, seen: Tensor, logits: Tensor) -> Tensor:
        """The logits of this step, moved by the neighbours of its state."""
        states = self._capture.states[0].to(self._host.device)
        state = self._projection(states[-1:])
        hits = self._hits(states)
        self._step = None
        if not self._strength or not hits:
            return logits
        # In an order of their own the same chunks need not be put together anew.
        ordered = sorted(hits, key=lambda hit: (hit.document_id, hit.chunk))
        found = self._store.gather(ordered, self._returns)
        own = logits.to(state.device)
        result = moved(
            state,
            own,
            found,
            settings=self._settings,
            measure=self._measure,
            strength=self._strength,
        )
        self._step = (found, result, own)
        return result.logits.to(logits.device)

    def _hits(self, states: Tensor) -> tuple[ChunkHit, ...]:
        if self._sum is None:  # the prompt
            first, after = self._place
            states = states[max(0, len(states) - first) : len(states) - after]
        added = states.float().sum(dim=0)
        self._sum = added if self._sum is None else self._sum + added
        self._count += len(states)
        space = self._measure.space
        hits = self._store.candidates(
            space.of_question(self._projection(self._sum / self._count)),
            self._settings.chunk_candidates,
            space,
            leaving_out=self._silent,
        )
        if self.shown is None:
            self.shown = hits
        return hits

    def chosen(self, token: int) -> Nudge | None:
        """How far the token was moved; the stored tokens that it rests on are remembered."""
        if self._step is None:
            return None
        found, result, own = self._step
        amount = float(result.logits[0, token] - own[0, token])
        holds = (result.tokens[0] == token) & (result.weights[0] >= _LEAST_WEIGHT)
        rows = result.rows[0][holds]
        weights: list[float] = result.weights[0][holds].tolist()
        hits = [found.hits[n] for n in found.hit[rows].tolist()]
        numbers: list[int] = found.rows[rows].tolist()
        most = max(weights, default=0.0)
        for hit, row, weight in zip(hits, numbers, weights, strict=True):
            rows_used = self._used.setdefault(hit.document_id, {})
            rows_used[row] = max(rows_used.get(row, 0.0), weight / most)
        self.used_tokens += bool(hits)
        if amount == 0 and not hits:
            return None
        return Nudge(self._host.tokenizer.decode([token]), amount, self._indices(hits))

    def _indices(self, hits: Sequence[ChunkHit]) -> tuple[int, ...]:
        held = {(hit.document_id, hit.chunk) for hit in hits}
        shown = enumerate(self.shown or ())
        return tuple(n for n, hit in shown if (hit.document_id, hit.chunk) in held)

    @property
    def used(self) -> tuple[Used, ...]:
        """The stored tokens that the answer's own tokens rested on.

        Each step counts alike, however far the gate was open: a verdict is on all of the
        answer, of which the first words, where the gate has just opened, decide most.
        """
        return tuple(
            Used(document_id, tuple(rows), tuple(rows.values()))
            for document_id, rows in self._used.items()
        )
