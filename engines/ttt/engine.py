"""The TTT-E2E engine: learn, reply, forget, save and load."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from engines import checkpoints, families
from engines.abilities import Recall
from engines.host import ModelHost
from engines.models import default_cache
from engines.protocol import (
    Decision,
    Document,
    DocumentError,
    EngineError,
    GateSnapshot,
    LearnReport,
    Overlap,
    Piece,
    Progress,
    Sampling,
    StudyPlan,
    Turn,
)
from engines.ttt import stored
from engines.ttt.dual_mlp import AlreadyInjectedError, DualMLP, injected, mlp_of
from engines.ttt.gate import snapshot
from engines.ttt.ledger import Entry, learned_duals
from engines.ttt.lesson import Learned, Lesson, overlaps_of
from engines.ttt.limits import (
    FEWEST_TOKENS,
    check_settings,
    modified_layers,
    one_sentence_for_memory,
)
from engines.ttt.measuring import Measuring
from engines.ttt.progress import READ_WORK, Meter
from engines.ttt.retention import Needs, Retention
from engines.ttt.settings import TTTSettings
from engines.ttt.upper import UpperLayers


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
        self._left_out: frozenset[str] = frozenset()
        self._learning = False

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
        if self._duals is None:
            heard = [entry for entry in self._entries if entry.report.id not in self._left_out]
            self._duals = learned_duals(self._decoder, heard, self._alpha)
        return injected(self._decoder, self._duals) if self._duals else nullcontext()

    @contextmanager
    def without(self, document_ids: Collection[str]) -> Iterator[None]:
        """Inside this block replies leave these documents out (a knock-out).

        Raises:
            EngineError: if one of them isn't in the ledger.
        """
        for document_id in document_ids:
            self._position(document_id)
        before = self._left_out
        self._left_out, self._duals = before | frozenset(document_ids), None
        try:
            yield
        finally:
            self._left_out, self._duals = before, None

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Stream an answer by the model as learned."""
        prompt = self.host.fit(turns, sampling.max_new_tokens)
        yield from self.host.generate(prompt, sampling, around=self.active)

    def held_out_loss(self) -> float | None:
        """Mean nats per token of the held-out text with what is learned, at the α in use."""
        meter = Meter()
        for _ in self._retention.prepare(meter, Needs()):
            pass
        recordings = self._retention.held_out
        if not recordings.tokens:
            return None
        with self.active(), torch.no_grad():
            total = sum(float(self._upper.batch_loss([one])) * one.new for one in recordings)
        return total / recordings.tokens

    def learn(self, document: Document) -> Generator[Progress | LearnReport, Decision | None, None]:
        """Learn ``document``; closing the iterator before the report leaves no trace.

        To an event that is ``paused`` a decision may be sent; a plain loop sends None, which
        ends learning there and keeps the best state.
        """
        self._check_free()
        if any(report.id == document.id for report in self.documents):
            raise DocumentError(
                f"'{document.title}' is learned already: forget it first to learn it anew.",
                document.path,
            )
        part, ids, tokens = self._to_read(document)
        lesson = self._lesson()
        self._learning = True
        try:
            with one_sentence_for_memory():
                learned = yield from lesson.events(part, ids)
        finally:
            self._learning = False
        report = _report(document, tokens, len(ids), learned, lesson.meter)
        kept = Entry(report, learned.changes, ids.to("cpu", torch.int32))
        self._keep([*self._entries, kept])
        yield report

    def _to_read(self, document: Document) -> tuple[Document, Tensor, int]:
        """The part that is read, so that nothing beyond is studied; its tokens; all tokens."""
        ids = self._ids(document)
        limit = self.settings.max_tokens_per_document or len(ids)
        if len(ids) <= limit:
            return document, ids, len(ids)
        text = self.host.tokenizer.decode(ids[:limit].tolist(), skip_special_tokens=True)
        return dataclasses.replace(document, text=text), ids[:limit], len(ids)

    def _check_idle(self) -> None:
        if self._learning:
            raise EngineError(
                "This engine is learning already: finish or close that learn() first."
            )

    def _check_free(self) -> None:
        self._check_idle()
        if any(isinstance(layer.mlp, DualMLP) for layer in self._decoder):
            raise AlreadyInjectedError(
                "This model carries learned layers now: leave `with engine.active()` to learn."
            )

    def _lesson(self) -> Lesson:
        return Lesson(
            self.host,
            self._upper,
            self._retention,
            self.settings,
            layers=self.layers,
            entries=self._entries,
            alpha=self._learned_alpha(),
        )

    def study(self, document: Document) -> Iterator[Progress | StudyPlan]:
        """Prepare what ``document`` would be studied by, and learn nothing."""
        self._check_free()
        part, ids, _ = self._to_read(document)
        plan = yield from self._lesson().plan_study(part, len(ids))
        yield plan

    def overlaps(self, document: Document) -> Iterator[Progress | tuple[Overlap, ...]]:
        """How much of each learned document's change lies where this one would learn."""
        self._check_free()
        lesson = self._lesson()
        opened = yield from lesson.preview(self._to_read(document)[1])
        yield overlaps_of(opened, self._entries)

    def recall(self, document: Document) -> Iterator[Progress | Recall]:
        """How well ``document`` is predicted by the base, and as learned at the α in use."""
        self._check_free()
        lesson = self._lesson()
        text = lesson.recordings(self._to_read(document)[1])
        lesson.meter.plan((READ_WORK + 2) * text.tokens)
        yield from lesson.read(text)
        measuring = Measuring(self._upper, self._retention, self._decoder, lesson.meter)
        base = yield from measuring.text_loss(text, {}, "measuring")
        duals = learned_duals(self._decoder, self._entries, self._alpha)
        now = yield from measuring.text_loss(text, duals, "measuring")
        yield Recall(tokens=text.tokens, base_loss=base, loss=now)

    def _ids(self, document: Document) -> Tensor:
        ids = self.host.encode(document.text)
        if len(ids) < FEWEST_TOKENS:
            raise DocumentError(
                f"'{document.title}' has only {len(ids)} tokens: give it a sentence or two.",
                document.path,
            )
        return ids

    def _learned_alpha(self) -> float:
        heard = [entry for entry in self._entries if not entry.muted]
        report = heard[-1].report if heard else None
        if report is None or report.alpha is None:
            return self.settings.alpha_initial
        return report.alpha

    def _keep(self, entries: list[Entry]) -> None:
        self._entries = entries
        self._duals = None
        if not entries or len(self.muted) < len(entries):
            self._alpha = self._learned_alpha()  # else α stays for when one is heard again

    def forget(self, document_id: str) -> None:
        """Take one document back; the last one exactly, an earlier one's own change.

        Raises:
            EngineError: if no learned document has this id.
        """
        self._check_idle()
        position = self._position(document_id)
        self._keep(self._entries[:position] + self._entries[position + 1 :])

    @property
    def muted(self) -> frozenset[str]:
        """Ids of documents that are kept but don't count now."""
        return frozenset(entry.report.id for entry in self._entries if entry.muted)

    def mute(self, document_id: str, muted: bool = True) -> None:
        """Leave a document out of the model, or take it in again; α stays as it is.

        Raises:
            EngineError: if no learned document has this id.
        """
        self._check_idle()
        position = self._position(document_id)
        entries = list(self._entries)
        entries[position] = dataclasses.replace(entries[position], muted=muted)
        self._entries, self._duals = entries, None

    def move(self, document_id: str, position: int) -> None:
        """Put a document at ``position`` (from 0) of the ledger.

        Changes are added up, so the order matters only to the last bits of the sum, and to
        which document is the last.

        Raises:
            EngineError: for an unknown id or a position that isn't there.
        """
        self._check_idle()
        entries = list(self._entries)
        entry = entries.pop(self._position(document_id))
        if not 0 <= position <= len(entries):
            raise EngineError(
                f"There is no position {position} in a ledger of {len(self._entries)}: "
                f"choose one from 0 to {len(entries)}."
            )
        entries.insert(position, entry)
        self._entries, self._duals = entries, None

    def bytes_of(self, document_id: str) -> int:
        """Size of what is kept of a document, in bytes."""
        return self._entries[self._position(document_id)].bytes

    def _position(self, document_id: str) -> int:
        for position, entry in enumerate(self._entries):
            if entry.report.id == document_id:
                return position
        raise EngineError(f"No learned document has the id '{document_id}'.")

    def reset(self) -> None:
        """Forget every document."""
        self._check_idle()
        self._keep([])

    def save(self, folder: Path) -> None:
        """Write the ledger into ``folder``, atomically; the base model is not saved."""
        documents, parts = stored.pack(self._entries)
        counts = self._retention.counts
        if counts is not None:
            parts["gate"] = {
                "occurrences": counts.occurrences,
                "passages": torch.tensor(counts.passages),
            }
        manifest = {
            "gate_corpus": self._retention.corpus_key,
            "engine": self.name,
            "model": self.host.name,
            "fingerprint": self.host.fingerprint,
            "alpha": self._alpha,
            "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": {name: stored.plain(value) for name, value in _settings(self.settings)},
            "documents": documents,
        }
        checkpoints.write(folder, manifest, parts)

    def load(self, folder: Path) -> None:
        """Replace the ledger by the one in ``folder``.

        Raises:
            CheckpointError: another engine or base model, or damaged files; nothing changes.
        """
        self._check_idle()
        manifest, parts = checkpoints.read(
            folder, engine=self.name, model=self.host.name, fingerprint=self.host.fingerprint
        )
        entries, alpha = stored.unpack(folder, manifest, parts, self._decoder, self.layers)
        if "gate" in parts and manifest.get("gate_corpus") == self._retention.corpus_key:
            self._retention.adopt(parts["gate"])
        self._keep(entries)
        self.alpha = alpha


def _settings(settings: TTTSettings) -> list[tuple[str, object]]:
    names = [field.name for field in dataclasses.fields(settings)]
    return [(name, getattr(settings, name)) for name in names]


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
        held_out_loss_before=learned.before.probe.held_out,
        held_out_loss_after=learned.after.probe.held_out,
        seconds=meter.seconds,
        tokens_per_second=meter.tokens_per_second or 0.0,
        gate_open_share=learned.open_share,
        alpha=learned.alpha,
        learned_at=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=notes,
        objective=learned.plan.objective,
        passes=learned.passes,
        study_items=len(learned.plan.items),
        answers_kept=learned.after.probe.answers_kept,
        answers_probed=learned.answers_probed,
        overlaps=learned.overlaps,
    )
