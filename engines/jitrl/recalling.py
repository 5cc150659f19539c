"""How well a text is predicted with the neighbours of its states, by the side of the base."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator

import torch
from torch.nn.functional import cross_entropy

from engines import families
from engines.abilities import Recall
from engines.host import ModelHost
from engines.jitrl.calibration import Measure
from engines.jitrl.recording import Projection, Recorded, record
from engines.jitrl.returns import Returns
from engines.jitrl.search import StateStore
from engines.jitrl.settings import JitRLFullSettings
from engines.jitrl.steering import moved
from engines.protocol import Document, Progress

_POSITIONS_AT_ONCE = 128  # bounds the logits in memory, whatever the vocabulary

Loss = Callable[[Recorded], float]


def recalled(
    host: ModelHost,
    document: Document,
    settings: JitRLFullSettings,
    projection: Projection,
    learned: Loss | None,
) -> Generator[Progress | Recall, None, None]:
    """Score ``document`` window by window; ``learned`` gives the nats of one window, summed.

    Without ``learned`` nothing counts, and both losses are the base's.
    """
    began = time.perf_counter()
    ids = host.encode(document.text)
    total, seen, base, now = len(ids) - 1, 0, 0.0, 0.0
    for part in record(host, ids, settings, projection):
        own = float(part.losses.double().sum())
        base += own
        now += own if learned is None else learned(part)
        seen += len(part.tokens)
        yield Progress(
            "measuring",
            seen / total,
            time.perf_counter() - began,
            tokens=total,
            tokens_seen=seen,
            loss=now / seen,
        )
    yield Recall(tokens=total, base_loss=base / total, loss=now / total)


def loss_by(
    host: ModelHost,
    store: StateStore,
    returns: Returns,
    settings: JitRLFullSettings,
    *,
    measure: Measure,
    strength: float,
    silent: Collection[str],
) -> Loss:
    """The nats of a window with the neighbours in the chunks nearest to its mean state."""

    @torch.no_grad()
    def loss(part: Recorded) -> float:
        states = part.states.to(host.device)
        direction = measure.space.of_text(states.mean(dim=0))
        hits = store.candidates(
            direction, settings.chunk_candidates, measure.space, leaving_out=silent
        )
        found = store.gather(hits, returns)
        total = 0.0
        for at in range(0, len(states), _POSITIONS_AT_ONCE):
            place = slice(at, at + _POSITIONS_AT_ONCE)
            logits = families.logits_from_hidden(host.model, part.hidden[place])
            result = moved(
                states[place],
                logits.float().to(host.device),
                found,
                settings=settings,
                measure=measure,
                strength=strength,
            )
            wanted = part.tokens[place].to(host.device)
            total += float(cross_entropy(result.logits, wanted, reduction="sum"))
        return total

    return loss
