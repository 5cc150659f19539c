"""The ledger's LoRAs as adapters of the base: which count, in what order, how strongly."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from engines.doc2lora.adapters import PeftAdapters
from engines.doc2lora.ledger import Entry
from engines.doc2lora.lora import Lora


@dataclass(frozen=True, slots=True, eq=False)
class Mount:
    """One adapter: its name, its LoRA and how many times it counts (never 0)."""

    name: str
    lora: Lora
    weight: float


def mounts_of(
    heard: Sequence[Entry], *, context_strength: float, bias_strength: float
) -> tuple[Mount, ...]:
    """The adapters that make the model act as learned, in ledger order, biases last.

    A document counts by its weight times ``context_strength``.  The bias counts by
    ``bias_strength`` and by the largest weight if that is below 1, as in ``lora.compose``;
    where documents are from several hypernetworks, each one's bias counts by the share that
    its documents have of the weights.
    """
    documents = [
        Mount(name_of(entry.report.id), entry.lora, entry.weight * context_strength)
        for entry in heard
    ]
    return tuple(m for m in (*documents, *_biases(heard, bias_strength)) if m.weight != 0)


def _biases(heard: Sequence[Entry], strength: float) -> Iterator[Mount]:
    weights: dict[str, float] = {}
    biases: dict[str, Lora | None] = {}
    for entry in heard:
        identity = entry.origin.identity
        weights[identity] = weights.get(identity, 0.0) + entry.weight
        biases.setdefault(identity, entry.bias)
    loudest = min(1.0, max((entry.weight for entry in heard), default=0.0))
    total = sum(weights.values())
    for identity, bias in biases.items():
        if bias is not None:
            share = weights[identity] / total
            yield Mount(f"bias-{identity}", bias, strength * loudest * share)


def name_of(document_id: str) -> str:
    """The name of a document's adapter."""
    return f"doc-{document_id}"


class Mounted:
    """The adapters that are built, each once; between blocks the model has none of them."""

    def __init__(self, model: Any) -> None:
        import peft  # noqa: F401 - now, or the first learn would count it as its own time

        self._model = model
        self._adapters = PeftAdapters(model)
        self._built: dict[str, Lora] = {}
        self._in_use: tuple[Mount, ...] | None = ()

    def use(self, mounts: tuple[Mount, ...]) -> None:
        """Build what isn't there yet, and let exactly ``mounts`` count."""
        if mounts is self._in_use:
            return
        self._in_use = None
        for mount in mounts:
            if self._built.get(mount.name) is not mount.lora:
                self.drop(mount.name)
                self._adapters.inject(_computed(mount.lora, self._model.dtype), mount.name)
                self._built[mount.name] = mount.lora
            self._adapters.weigh(mount.name, mount.weight)
        self._adapters.use([mount.name for mount in mounts])
        self._in_use = mounts

    def active(self) -> AbstractContextManager[None]:
        """Inside the block the model computes with what was last given to ``use``."""
        return self._adapters.active() if self._in_use else nullcontext()

    def keep(self, entries: Sequence[Entry]) -> None:
        """Let go of the adapters that belong to none of ``entries``."""
        names = {name_of(entry.report.id) for entry in entries}
        names |= {f"bias-{entry.origin.identity}" for entry in entries}
        for name in self._built.keys() - names:
            self.drop(name)

    def drop(self, name: str) -> None:
        """Let go of one adapter, if there is one of that name."""
        if self._built.pop(name, None) is not None:
            self._in_use = None
            self._adapters.eject(name)


def _computed(lora: Lora, base: torch.dtype) -> Lora:
    """In a type in which neither the LoRA nor the base is rounded; mostly it is that already."""
    dtype = torch.promote_types(lora.a.dtype, base)
    return dataclasses.replace(lora, a=lora.a.to(dtype), b=lora.b.to(dtype))
