"""What makes LoRAs of a document's chunks: a hypernetwork, or, for tests, chance."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from engines.doc2lora import stored
from engines.doc2lora.affixes import affixes_of
from engines.doc2lora.config import HypernetworkConfig
from engines.doc2lora.hypernetwork import GeneratedLora, Hypernetwork
from engines.doc2lora.ledger import Origin
from engines.doc2lora.reading import ChunkRead, read_chunks
from engines.fingerprint import fingerprint
from engines.host import ModelHost

SIMULATED = "SIMULATED"
_SIZE = 0.01  # of B's rows where A's have length 1: a change of a few percent of a weight


class Maker(Protocol):
    """Reads chunks and gives a LoRA for each."""

    @property
    def config(self) -> HypernetworkConfig:
        """Dimensions of what is made, and what goes around a chunk."""

    @property
    def origin(self) -> Origin:
        """Who it is."""

    def read(
        self, document_id: str, chunks: Sequence[Sequence[int]], at_once: int | None
    ) -> Iterator[ChunkRead]:
        """Read and generate chunk after chunk."""


class NetworkMaker:
    """A hypernetwork that reads with the base model of ``host``.

    Raises:
        CheckpointError: if it was made for another base, with both names.
    """

    def __init__(self, host: ModelHost, network: Hypernetwork | Path) -> None:
        name = "a hypernetwork given by the caller"
        if isinstance(network, Path):
            name = _name_of(network)
            network = stored.load(network, device=host.device)
        stored.check_base(network.config, host.model, name=host.name, fingerprint=host.fingerprint)
        self._model = host.model
        self._network = network
        self.config = network.config
        self.origin = Origin(name, fingerprint(network))

    def read(
        self, document_id: str, chunks: Sequence[Sequence[int]], at_once: int | None
    ) -> Iterator[ChunkRead]:
        """Read with the frozen base, generate with the network."""
        return read_chunks(self._model, self._network, chunks, chunks_at_once=at_once)


class SimulatedMaker:
    """Random LoRAs, the same for the same document, chunk and seed; for tests only."""

    def __init__(self, host: ModelHost, seed: int) -> None:
        self.config = HypernetworkConfig.for_base(
            host.model,
            base_model=host.name,
            base_fingerprint=host.fingerprint,
            affixes=affixes_of(host.tokenizer),
            rank=min(8, host.model.config.hidden_size),
            bias=False,
        )
        identity = hashlib.sha256(f"{SIMULATED} {seed}".encode()).hexdigest()[:16]
        self.origin = Origin(f"{SIMULATED} (seed {seed})", identity, simulated=True)
        self._device = host.device
        self._seed = seed

    def read(
        self, document_id: str, chunks: Sequence[Sequence[int]], at_once: int | None
    ) -> Iterator[ChunkRead]:
        """Nothing is read."""
        around = len(self.config.affixes)
        for n, chunk in enumerate(chunks, 1):
            lora = self._random(f"{self._seed} {document_id} {n}")
            yield ChunkRead(n, len(chunks), len(chunk) - around, 0.0, 0.0, lora)

    def _random(self, key: str) -> GeneratedLora:
        digest = hashlib.sha256(key.encode()).digest()
        source = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        c = self.config

        def rows(width: int) -> Tensor:
            drawn = torch.randn(1, c.layers, c.rank, width, generator=source)
            return torch.nn.functional.normalize(drawn, dim=-1).to(self._device)

        return GeneratedLora(rows(c.d_in), rows(c.d_out) * _SIZE)


def _name_of(folder: Path) -> str:
    card: Any = stored.read_manifest(folder)["card"]
    given = card.get("name") if isinstance(card, dict) else None
    return str(given or folder.resolve().name)
