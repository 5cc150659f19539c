"""The Doc-to-LoRA engine: a document is read once, and becomes a LoRA of the frozen base."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from engines import checkpoints
from engines.abilities import Recall
from engines.doc2lora import kept, shipped
from engines.doc2lora.composed import ComposedLoras
from engines.doc2lora.cutting import longest_chunk
from engines.doc2lora.events import Doc2LoraProgress, LoraFacts
from engines.doc2lora.hypernetwork import Hypernetwork
from engines.doc2lora.ledger import Entry, Ledger
from engines.doc2lora.lesson import NOT_LEARNED, Lesson, Made
from engines.doc2lora.makers import SIMULATED, Maker, NetworkMaker, SimulatedMaker
from engines.doc2lora.measuring import recalled
from engines.doc2lora.modes import check_mode
from engines.doc2lora.settings import Doc2LoraSettings
from engines.doc2lora.spectrum import facts
from engines.host import ModelHost
from engines.jitrl.question import query_of
from engines.model_store import Report
from engines.protocol import (
    CheckpointError,
    Document,
    EngineError,
    LearnReport,
    Piece,
    Progress,
    Retrieval,
    Sampling,
    Turn,
)


class Doc2LoraEngine(ComposedLoras):
    """Learns each document as a LoRA that a hypernetwork writes; no gradient is taken.

    Args:
        host: the base model; it reads, and is only changed inside ``active()``.
        network: a hypernetwork, or the folder of a stored one; None finds the one that
            ``settings.hypernetwork`` names.  It is not used where ``settings.simulated``.
        settings: see ``Doc2LoraSettings``.
        folders, cache, report: where to look for hypernetworks, see ``shipped.find``.

    Raises:
        EngineError: if a setting is out of its range.
        CheckpointError: if there is no hypernetwork, or it was made for another base.
    """

    name = "doc2lora"

    def __init__(
        self,
        host: ModelHost,
        network: Hypernetwork | Path | None = None,
        settings: Doc2LoraSettings | None = None,
        *,
        folders: Sequence[Path] = (),
        cache: Path | None = None,
        report: Report | None = None,
    ) -> None:
        self.host = host
        self.settings = (settings or Doc2LoraSettings()).checked()
        if network is None and not self.settings.simulated:
            choice = self.settings.hypernetwork
            network = shipped.find(choice, host, folders=folders, cache=cache, report=report)
        self._maker = _maker(host, network, self.settings)
        longest_chunk(host, self._maker.config, self.settings)
        super().__init__(host.model, self.settings)

    @property
    def simulated(self) -> bool:
        """Whether LoRAs are random, for tests; whatever shows a result has to say so."""
        return self._maker.origin.simulated

    @property
    def title(self) -> str:
        """What to call the engine on screen."""
        return f"Doc-to-LoRA ({SIMULATED})" if self.simulated else "Doc-to-LoRA"

    @property
    def hypernetwork(self) -> str:
        """The name of the hypernetwork in use."""
        return self._maker.origin.name

    @property
    def documents(self) -> Sequence[LearnReport]:
        """The ledger: what was learned, in order; a note tells of another hypernetwork."""
        return tuple(self._shown(entry) for entry in self._ledger.entries)

    def _shown(self, entry: Entry) -> LearnReport:
        if entry.origin.identity == self._maker.origin.identity:
            return entry.report
        note = (
            f"made by the hypernetwork {entry.origin.name} ({entry.origin.identity}), not by "
            f"{self.hypernetwork} ({self._maker.origin.identity}), which is in use now"
        )
        return dataclasses.replace(entry.report, notes=(*entry.report.notes, note))

    def learn(self, document: Document) -> Generator[Doc2LoraProgress | LearnReport, None, None]:
        """Learn ``document``; closing the iterator before the report leaves no trace.

        Raises:
            DocumentError: if it is empty, learned already, or not for the mode in use.
            EngineError: if what the hypernetwork gives is not finite.
        """
        self._check_free()
        self._ledger.check_new(document)
        check_mode(document, self.settings.mode)
        if self.settings.mode == "text":
            raise EngineError(
                f"There is no Text-to-LoRA network for {self.host.name}: set doc2lora.mode doc."
            )
        self._learning = True
        try:
            entry = yield from self._learned(document)
        except BaseException:
            self._change(self._ledger)
            raise
        finally:
            self._learning = False
        self._ledger.add(entry)
        self._change(self._ledger)
        yield entry.report

    def _learned(self, document: Document) -> Generator[Doc2LoraProgress, None, Entry]:
        lesson = Lesson(self.host, self._maker, self.settings, document)
        made = yield from lesson.read()
        entry = self._entry(lesson, made)
        mounts = self._mounts_with(entry)

        def learned() -> AbstractContextManager[None]:
            self._mounted.use(mounts)  # between two events a reply may have used others
            return self._mounted.active()

        yield from lesson.inject(lambda: self._mounted.use(mounts))
        yield from lesson.measure(learned)
        return dataclasses.replace(entry, report=lesson.report())

    def _entry(self, lesson: Lesson, made: Made) -> Entry:
        origin = self._maker.origin
        of_same = [e for e in self._ledger.entries if e.origin.identity == origin.identity]
        bias = of_same[0].bias if of_same else made.bias
        return Entry(lesson.report(), made.lora, bias, made.chunks, origin)

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Stream an answer by the model as learned; a simulated one says so first."""
        prompt = self.host.fit(turns, sampling.max_new_tokens)
        if self.simulated:
            yield Piece("", tokens=0, retrieval=Retrieval(query_of(turns), note=NOT_LEARNED))
        yield from self.host.generate(prompt, sampling, around=self.active)

    def recall(self, document: Document) -> Iterator[Progress | Recall]:
        """How well ``document`` is predicted by the base, and as learned at the dials in use.

        As much of it is scored as would be read.
        """
        self._check_free()
        longest = longest_chunk(self.host, self._maker.config, self.settings)
        limit = longest * self.settings.max_chunks
        yield from recalled(self.host, document, limit, self.active)

    def facts_of(self, document_id: str) -> LoraFacts:
        """What is kept of a document: norms by layer, ranks, who made it.

        Raises:
            EngineError: if no learned document has this id.
        """
        entry = self._ledger[document_id]
        norms, width = facts(entry.lora)
        return LoraFacts(
            document_id=document_id,
            title=entry.report.title,
            chunks=entry.chunks,
            rank=entry.lora.rank,
            norms=norms,
            effective_rank=width,
            weight=entry.weight,
            bytes=entry.bytes,
            hypernetwork=entry.origin.name,
            identity=entry.origin.identity,
            simulated=entry.origin.simulated,
        )

    def save(self, folder: Path) -> None:
        """Write the documents' LoRAs into ``folder``, atomically; no network is saved."""
        documents, parts = kept.pack(self._ledger.entries)
        manifest = {
            "engine": self.name,
            "model": self.host.name,
            "fingerprint": self.host.fingerprint,
            "mode": self.settings.mode,
            "hypernetwork": dataclasses.asdict(self._maker.origin),
            "context_strength": self._strength,
            "bias_strength": self._bias_strength,
            "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": dataclasses.asdict(self.settings),
            "documents": documents,
        }
        checkpoints.write(folder, manifest, parts)

    def load(self, folder: Path) -> None:
        """Replace what is learned by what is in ``folder``, with its dials.

        Documents of another hypernetwork are taken in; ``documents`` and ``notes`` say so.

        Raises:
            CheckpointError: another engine or base model, a simulated one, or damaged files;
                nothing changes.
        """
        self._check_free()
        manifest, parts = checkpoints.read(
            folder, engine=self.name, model=self.host.name, fingerprint=self.host.fingerprint
        )
        entries = kept.unpack(folder, manifest, parts, self.host)
        if not self.simulated and any(entry.origin.simulated for entry in entries):
            raise CheckpointError(
                f"The checkpoint '{folder.name}' is {SIMULATED}, its LoRAs are random: learn its "
                "documents again and save, or set doc2lora.simulated true."
            )
        dials = kept.dials(folder, manifest)
        self._change(Ledger(entries))
        self.strength, self.bias_strength = dials

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of everything that is learned, in whole sentences."""
        own = self._maker.origin.identity
        others = [e.origin for e in self._ledger.entries if e.origin.identity != own]
        named = ", ".join(dict.fromkeys(f"{o.name} ({o.identity})" for o in others))
        count, all_of = len(others), len(self._ledger.entries)
        of_others = (
            f"{count} of {all_of} documents were made by another hypernetwork, {named}; the one in "
            f"use is {self.hypernetwork} ({own}).",
        )
        return (*((NOT_LEARNED,) if self.simulated else ()), *(of_others if others else ()))


def _maker(
    host: ModelHost, network: Hypernetwork | Path | None, settings: Doc2LoraSettings
) -> Maker:
    if network is None or settings.simulated:
        return SimulatedMaker(host, settings.seed)
    return NetworkMaker(host, network)
