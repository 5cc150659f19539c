"""The TTT-E2E engine: learn, reply, forget, save and load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from engines import checkpoints, families
from engines.host import ModelHost
from engines.models import default_cache
from engines.protocol import (
    Document,
    DocumentError,
    EngineError,
    GateSnapshot,
    LearnReport,
    Piece,
    Progress,
    Sampling,
    Turn,
)
from engines.ttt import stored
from engines.ttt.dual_mlp import AlreadyInjectedError, DualMLP, injected, mlp_of
from engines.ttt.gate import snapshot
from engines.ttt.ledger import Entry, learned_duals
from engines.ttt.lesson import Learned, Lesson
from engines.ttt.progress import Meter
from engines.ttt.retention import Retention
from engines.ttt.settings import TTTSettings
from engines.ttt.upper import UpperLayers

FEWEST_TOKENS = 8


class TTTEngine:
    """Learns documents into the last quarter of the layers, and keeps what each changed.

    Args:
        host: the base model; it is only changed inside ``active()``.
        settings: see ``TTTSettings``.
        cache: folder for gate statistics; None is the one all homes share.

    Raises:
        EngineError: if the settings can't teach this model anything.
    """

    name = "ttt"

    def __init__(
        self, host: ModelHost, settings: TTTSettings | None = None, *, cache: Path | None = None
    ) -> None:
        self.host = host
        self.settings = settings or TTTSettings()
        self._decoder = families.decoder_layers(host.model)
        self.layers = modified_layers(len(self._decoder), self.settings)
        self.neurons = families.gated_mlp_parts(mlp_of(self._decoder, self.layers[0])).neurons
        check_settings(host, self.settings)
        self._upper = UpperLayers(host, self.layers[0])
        gates = cache or default_cache() / "gates"
        self._retention = Retention(host, self._upper, self.layers, self.settings, gates)
        self._entries: list[Entry] = []
        self._alpha = self.settings.alpha_initial
        self._duals: dict[int, DualMLP] | None = None

    @property
    def documents(self) -> Sequence[LearnReport]:
        """The ledger: what was learned, in order."""
        return tuple(entry.report for entry in self._entries)

    @property
    def gate(self) -> GateSnapshot | None:
        """The gate that the last document of the ledger learned through."""
        if not self._entries:
            return None
        changes = self._entries[-1].changes
        opened = [changes[number].index.long() for number in self.layers]
        gated = any(len(index) < self.neurons for index in opened)
        return snapshot(self.layers, self.neurons, opened, calibrated=gated)

    @property
    def alpha(self) -> float:
        """The blend in use: 1 is the frozen branch alone, 0 the trainable one alone."""
        return self._alpha

    @alpha.setter
    def alpha(self, value: float) -> None:
        if not 0.0 <= value <= 1.0:
            raise EngineError(f"α is a share from 0 to 1, not {value}.")
        self._alpha = value
        for dual in (self._duals or {}).values():
            dual.alpha = value

    def active(self) -> AbstractContextManager[None]:
        """Inside this block the model answers as learned; outside it is the base, to the bit."""
        if not self._entries:
            return nullcontext()
        if self._duals is None:
            self._duals = learned_duals(self._decoder, self._entries, self._alpha)
        return injected(self._decoder, self._duals)

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Stream an answer by the model as learned."""
        prompt = self.host.fit(turns, sampling.max_new_tokens)
        yield from self.host.generate(prompt, sampling, around=self.active)

    def held_out_loss(self) -> float | None:
        """Mean nats per token of the held-out text with what is learned, at the α in use."""
        for _ in self._retention.record(Meter()):
            pass
        total = 0.0
        for recording in self._retention.recordings:
            with self.active(), torch.no_grad():
                total += float(self._upper.loss(recording)) * recording.new
        return total / self._retention.tokens if self._retention.tokens else None

    def learn(self, document: Document) -> Iterator[Progress | LearnReport]:
        """Learn ``document``; closing the iterator before the report leaves no trace."""
        if any(isinstance(layer.mlp, DualMLP) for layer in self._decoder):
            raise AlreadyInjectedError(
                "This model carries learned layers now: leave `with engine.active()` to learn."
            )
        ids = self._tokens_of(document)
        limit = self.settings.max_tokens_per_document or len(ids)
        lesson = Lesson(
            self.host,
            self._upper,
            self._retention,
            self.settings,
            layers=self.layers,
            entries=self._entries,
            alpha=self._learned_alpha(),
        )
        with one_sentence_for_memory():
            learned = yield from lesson.events(ids[:limit])
        report = _report(document, len(ids), min(limit, len(ids)), learned, lesson.meter)
        self._keep([*self._entries, Entry(report, learned.changes)])
        yield report

    def _tokens_of(self, document: Document) -> Tensor:
        if any(report.id == document.id for report in self.documents):
            raise DocumentError(
                f"'{document.title}' is learned already: forget it first to learn it anew.",
                document.path,
            )
        ids = self.host.encode(document.text)
        if len(ids) < FEWEST_TOKENS:
            raise DocumentError(
                f"'{document.title}' has only {len(ids)} tokens: give it a sentence or two.",
                document.path,
            )
        return ids

    def _learned_alpha(self) -> float:
        report = self._entries[-1].report if self._entries else None
        if report is None or report.alpha is None:
            return self.settings.alpha_initial
        return report.alpha

    def _keep(self, entries: list[Entry]) -> None:
        self._entries = entries
        self._duals = None
        self._alpha = self._learned_alpha()

    def forget(self, document_id: str) -> None:
        """Take one document back; the last one exactly, an earlier one's own change.

        Raises:
            EngineError: if no learned document has this id.
        """
        kept = [entry for entry in self._entries if entry.report.id != document_id]
        if len(kept) == len(self._entries):
            raise EngineError(f"No learned document has the id '{document_id}'.")
        self._keep(kept)

    def reset(self) -> None:
        """Forget every document."""
        self._keep([])

    def save(self, folder: Path) -> None:
        """Write the ledger into ``folder``, atomically; the base model is not saved."""
        manifest, tensors = stored.pack(self._entries)
        manifest |= {
            "engine": self.name,
            "model": self.host.name,
            "fingerprint": self.host.fingerprint,
            "alpha": self._alpha,
            "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        checkpoints.write(folder, manifest, tensors)

    def load(self, folder: Path) -> None:
        """Replace the ledger by the one in ``folder``.

        Raises:
            CheckpointError: another engine or base model, or damaged files; nothing changes.
        """
        manifest, tensors = checkpoints.read(
            folder, engine=self.name, model=self.host.name, fingerprint=self.host.fingerprint
        )
        entries, alpha = stored.unpack(folder, manifest, tensors, self._decoder, self.layers)
        self._keep(entries)
        self.alpha = alpha


def modified_layers(count: int, settings: TTTSettings) -> tuple[int, ...]:
    """Numbers of the layers that learn: those set, or the last quarter of ``count``.

    Raises:
        EngineError: if the settings name layers that are not there, or teach nothing.
    """
    quarter = max(1, round(count / 4))
    start = count - quarter if settings.layers_start is None else settings.layers_start
    end = count if settings.layers_end is None else settings.layers_end
    if not 0 <= start < end <= count:
        raise EngineError(
            f"model.modified_layers_start {start} and model.modified_layers_end {end} don't name "
            f"layers of this model: it has {count}, numbered from 0, the end is not included."
        )
    return tuple(range(start, end))


def check_settings(host: ModelHost, settings: TTTSettings) -> None:
    """Refuse settings that can't teach this model anything.

    Raises:
        EngineError: naming the setting and what to do.
    """
    if settings.alpha_initial >= 1.0:
        raise EngineError(
            "At α = 1 nothing reaches the weights that learn: set alpha.initial below 1."
        )
    if 0 < settings.max_tokens_per_document < FEWEST_TOKENS:
        raise EngineError(
            f"ttt.max_tokens_per_document {settings.max_tokens_per_document} is too few to learn "
            f"from: set at least {FEWEST_TOKENS}, or 0 to read everything."
        )
    longest = settings.mini_batch_size + settings.context_tokens
    if longest > host.context_limit:
        raise EngineError(
            f"ttt.mini_batch_size and ttt.context_tokens make {longest} tokens together, and "
            f"{host.name} reads {host.context_limit}: lower one of them."
        )


@contextmanager
def one_sentence_for_memory() -> Iterator[None]:
    """Turn running out of memory, on a GPU or not, into an ``EngineError``.

    It is raised inside the learn generator, so what the engine knew before still holds.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise EngineError(
            "There is not enough memory to learn this: lower ttt.mini_batch_size, "
            "ttt.context_tokens or ttt.max_tokens_per_document. Nothing was changed."
        ) from error


def _report(
    document: Document, tokens: int, read: int, learned: Learned, meter: Meter
) -> LearnReport:
    notes = (*document.notes, *learned.notes)
    if read < tokens:
        limit = "ttt.max_tokens_per_document sets how many; 0 reads all"
        notes = (*notes, f"read {read} of {tokens} tokens, the rest is left out ({limit})")
    return LearnReport(
        id=document.id,
        title=document.title,
        path=document.path,
        tokens=tokens,
        tokens_read=read,
        loss_before=learned.before.document,
        loss_after=learned.after.document,
        held_out_loss_before=learned.before.held_out,
        held_out_loss_after=learned.after.held_out,
        seconds=meter.seconds,
        tokens_per_second=meter.tokens_per_second or 0.0,
        gate_open_share=learned.open_share,
        alpha=learned.alpha,
        learned_at=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=notes,
    )
