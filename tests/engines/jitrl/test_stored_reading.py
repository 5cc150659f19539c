"""From a text to stored states and back: what was read is predicted, the rest is left alone."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from engines import families
from engines.host import ModelHost
from engines.jitrl.neighbours import (
    Gate,
    advantage,
    calibrated,
    interpolated,
    nearest,
    similarity_weights,
    spread,
)
from engines.jitrl.recording import Projection, chunk_numbers, encode_with_offsets, record
from engines.jitrl.search import Gathered, Space, StateStore
from engines.jitrl.settings import JitRLFullSettings
from engines.jitrl.state_file import StateFile, StateWriter
from tests.engines.learning import AVIARY, HARBOUR, tiny_host
from tests.engines.tiny import TEXT

SETTINGS = JitRLFullSettings(window=64, window_overlap=32)


def read(host: ModelHost, text: str) -> tuple[Tensor, Tensor, Tensor]:
    """States, logits and next tokens of a text."""
    parts = [*record(host, host.encode(text), SETTINGS, Projection(32, 0))]
    states, hidden, tokens = (
        torch.cat([getattr(part, name) for part in parts])
        for name in ("states", "hidden", "tokens")
    )
    return states, families.logits_from_hidden(host.model, hidden), tokens


def learned(host: ModelHost, text: str, path: Path) -> Gathered:
    ids, starts = encode_with_offsets(host, text)
    chunks = chunk_numbers(starts, [len(text) // 2, len(text)])
    with StateWriter(path, tokens=len(ids) - 1, chunks=2, width=32) as writer:
        for part in record(host, ids, SETTINGS, Projection(32, 0)):
            place = slice(part.start, part.start + len(part.tokens))
            writer.append(part.states, part.tokens, chunks[place])
    store = StateStore("cpu")
    store.add("doc", StateFile(path, vocabulary=400))
    space = Space(torch.zeros(32), torch.zeros(32), torch.ones(32))
    return store.gather(store.candidates(space.of_text(part.states.mean(dim=0)), 8, space))


def losses(host: ModelHost, text: str, found: Gathered, gate: Gate, scale: float) -> list[float]:
    """Nats per token: the base, moved by the advantage, interpolated."""
    states, logits, tokens = read(host, text)
    distances, rows = nearest(states, found.states, 8)
    weights = similarity_weights(distances, temperature=0.05, scale=scale)
    openness = gate.openness(distances)
    follow, worth = found.tokens[rows], found.returns[rows]
    moved = advantage(logits, weights, worth, follow, strength=8.0, openness=openness)
    mixed = interpolated(logits, weights, follow, share=0.5, openness=openness)
    return [cross_entropy(each, tokens).item() for each in (logits, moved, mixed)]


def test_what_was_stored_is_predicted_better_and_other_text_as_before(tmp_path):
    host = tiny_host()
    found = learned(host, HARBOUR.text, tmp_path / "a.safetensors")
    general = read(host, TEXT)[0]
    gate = calibrated(nearest(general, found.states, 1)[0][:, 0], 0.05)
    base, moved, mixed = losses(host, HARBOUR.text, found, gate, spread(general))
    assert moved < base / 2
    assert mixed < base / 2
    base, moved, mixed = losses(host, AVIARY.text, found, gate, spread(general))
    assert abs(moved / base - 1) < 0.02
    assert abs(mixed / base - 1) < 0.02
