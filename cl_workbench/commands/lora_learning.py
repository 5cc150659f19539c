"""What ``learn`` tells besides where documents become LoRAs: ranks, times, losses of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from cl_workbench import assembly
from engines.abilities import ScalesLoras
from engines.decoding import counted
from engines.doc2lora.events import Doc2LoraProgress
from engines.protocol import Engine, Progress

SIMULATED = "SIMULATED"
_REPORTED = (
    "chunks", "rank", "effective_rank", "read_seconds", "generate_seconds", "inject_seconds",
    "answers", "answer_loss_before", "answer_loss", "hypernetwork", "simulated",
)  # fmt: skip


@dataclass(slots=True)
class LoraKeeper:
    """Follows each learn, and keeps the last that was told of each document's LoRA."""

    loras: dict[str, Doc2LoraProgress] = field(default_factory=dict)
    _id: str | None = None
    _latest: Doc2LoraProgress | None = None

    def begin(self, title: str, id_: str | None) -> None:
        """A learn begins."""
        self._id, self._latest = id_, None

    def see(self, event: Progress) -> None:
        """Take in what is told of it."""
        if isinstance(event, Doc2LoraProgress):
            self._latest = event

    def end(self, *, whole: bool) -> None:
        """The learn is over; of one that was broken off nothing is kept."""
        if whole and self._id is not None and self._latest is not None:
            self.loras[self._id] = self._latest

    def finish(self) -> None:
        """There is nothing to write."""


def lora_record(lora: Doc2LoraProgress) -> dict[str, Any]:
    """What ``--json`` tells of a document's LoRA; ``norms`` has one value for each layer."""
    return {name: getattr(lora, name) for name in _REPORTED} | {"norms": list(lora.total_norms)}


def lora_line(lora: Doc2LoraProgress) -> str:
    """One line for people."""
    parts = [
        f"LoRA of rank {lora.rank} from {counted(lora.chunks, 'chunk')}",
        f"effective {lora.effective_rank or 0:.1f}",
        f"read {lora.read_seconds:.2f} s",
        f"generated {lora.generate_seconds:.2f} s",
        f"injected {lora.inject_seconds:.2f} s",
    ]
    mark = f"{SIMULATED}, nothing was learned: " if lora.simulated else ""
    return f"  {mark}{', '.join(parts)}"


def lora_detail(event: Doc2LoraProgress) -> str:
    """The numbers of one step: ``rank 24 (effective 11.2)  read 1.2 s  generate 0.3 s``."""
    effective = "" if event.effective_rank is None else f" (effective {event.effective_rank:.1f})"
    parts = [
        SIMULATED if event.simulated else None,
        f"rank {event.rank}{effective}" if event.rank else None,
        f"read {event.read_seconds:.1f} s" if event.read_seconds else None,
        f"generate {event.generate_seconds:.1f} s" if event.generate_seconds else None,
        _losses("loss", event.loss_before, event.loss),
        _losses("answers", event.answer_loss_before, event.answer_loss),
    ]
    return "  ".join(part for part in parts if part)


def lora_stage(event: Doc2LoraProgress) -> str:
    """What is being done, as in ``chunk 3 of 12``."""
    if event.stage != "generating":
        return event.stage
    return f"chunk {event.chunk} of {event.chunks}"


def tell_simulated(engine: Engine) -> None:
    """Say on stderr that what follows is no real result, where that is so."""
    if isinstance(engine, ScalesLoras) and engine.simulated:
        click.echo(
            f"{SIMULATED}: the LoRAs of {engine.name} are random, nothing is learned.", err=True
        )


def check_mode_engine(engine: str, settings_given: Sequence[str]) -> None:
    """Refuse ``--mode`` with another engine than Doc-to-LoRA.  Raises ``UsageError``."""
    if "mode" in settings_given and engine != assembly.DOC2LORA:
        raise click.UsageError(
            f"--mode is for the engine {assembly.DOC2LORA}, not for {engine}: "
            f"add --engine {assembly.DOC2LORA}, or leave it out."
        )


def _losses(name: str, before: float | None, after: float | None) -> str | None:
    if before is None or after is None:
        return None
    return f"{name} {before:.2f} → {after:.2f}"
