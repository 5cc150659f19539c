"""The JitRL MVP engine: retrieved passages in the prompt, and a nudge towards their words."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from engines import checkpoints
from engines.host import ModelHost
from engines.jitrl import stored
from engines.jitrl.beside import BesideWeights
from engines.jitrl.bias import WordBias
from engines.jitrl.citing import cited
from engines.jitrl.context import Context, with_passages
from engines.jitrl.ledger import Entry, Ledger
from engines.jitrl.library import Library
from engines.jitrl.question import has_words, query_of
from engines.jitrl.rarity import WordRarity
from engines.jitrl.settings import JitRLMVPSettings
from engines.protocol import (
    Document,
    EngineError,
    LearnReport,
    Piece,
    Progress,
    Retrieval,
    Sampling,
    Turn,
)

_AT_ONCE = 20_000  # characters that are tokenised in one call

NOTHING_LEARNED = "Nothing that is learned counts now: the answer is the model's own."
NOTHING_FOUND = "Nothing relevant was found: the answer is the model's own."
NOTHING_ASKED = "The question has no word to look for: the answer is the model's own."
NO_ROOM = (
    "No passage fits into the prompt: the answer is the model's own. Raise "
    "jitrl_mvp.context_tokens, or begin a new conversation."
)


class JitRLMVPEngine(BesideWeights):
    """Learns documents as passages to look up; the network is never changed.

    Args:
        host: the base model.
        settings: see ``JitRLMVPSettings``.

    Raises:
        EngineError: if a setting is out of its range.
    """

    name = "jitrl-mvp"
    most_strength = 10.0

    def __init__(self, host: ModelHost, settings: JitRLMVPSettings | None = None) -> None:
        self.host = host
        self.settings = settings or JitRLMVPSettings()
        if not 0.0 <= self.settings.decay <= 1.0:
            raise EngineError(f"jitrl_mvp.decay is a share from 0 to 1, not {self.settings.decay}.")
        self._library = self._empty_library()
        self._rarity = WordRarity()
        self._ledger = Ledger()
        self.strength = self.settings.strength

    @property
    def _kept(self) -> Ledger:
        return self._ledger

    def _empty_library(self) -> Library:
        return Library(self.host.tokenizer, self.settings.passages)

    def learn(self, document: Document) -> Generator[Progress | LearnReport, None, None]:
        """Cut ``document`` into passages and take them in; closing early leaves no trace.

        One from a file takes the place of an earlier version of that file, which answers
        until this one is learned.
        """
        self._check_idle()
        self._ledger.check_new(document)
        self._learning = True
        try:
            report = yield from self._passages_of(document)
        finally:
            self._learning = False
        yield report

    def _passages_of(self, document: Document) -> Generator[Progress, None, LearnReport]:
        began = time.perf_counter()
        yield Progress("reading", 0.0, 0.0)
        try:
            tokens, chunks = yield from self._read(document, began)
            # The library has it now, and there is no event until the ledger has it too.
            seconds = time.perf_counter() - began
            report = self._ledger.report_on(document, tokens, chunks, seconds)
            entry = Entry(report, self._size(document.id))
        except BaseException:
            if document.id in self._library:
                self._library.remove(document.id)
            raise
        for earlier in self._ledger.put(entry):
            self._drop(earlier)
        return report

    def _read(self, document: Document, began: float) -> Generator[Progress, None, tuple[int, int]]:
        """Take ``document`` into the library; returns how many tokens and chunks it has."""
        text = document.text
        last = len(text.rstrip())
        tokens = chunks = read = 0
        for chunks, chunk in enumerate(self._library.adding(document), start=1):
            tokens += self._tokens_in(text, read, chunk.end)
            read = chunk.end
            seconds = time.perf_counter() - began
            yield Progress("cutting", read / last, seconds, step=chunks, tokens_seen=tokens)
        return tokens + self._tokens_in(text, read, len(text)), chunks

    def _tokens_in(self, text: str, start: int, end: int) -> int:
        """How many tokens a part of a text has; nothing long is tokenised at once."""
        parts = [text[at : min(at + _AT_ONCE, end)] for at in range(start, end, _AT_ONCE)]
        encode = self.host.tokenizer
        return sum(
            len(encode(part, add_special_tokens=False, verbose=False)["input_ids"])
            for part in parts
        )

    def _size(self, document_id: str) -> int:
        tensors = self._library.tensors(document_id).values()
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def retrieve(self, query: str) -> Retrieval:
        """The passages that an answer to ``query`` would rest on; nothing is answered.

        Raises:
            EngineError: if ``query`` has no word.
        """
        if not has_words(query):
            raise EngineError("There is no word to look for: ask for something in words.")
        return self._found(query)

    def _found(self, query: str) -> Retrieval:
        if not has_words(query):
            return Retrieval(query, note=NOTHING_ASKED)
        if not self._anything_counts:
            return Retrieval(query, note=NOTHING_LEARNED)
        passages = self._library.search(query, leaving_out=self._silent)
        return Retrieval(query, passages, note=None if passages else NOTHING_FOUND)

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Stream an answer from the passages found; the first piece tells which, the last cites."""
        found = self._found(query_of(turns))
        context = with_passages(
            self.host,
            turns,
            found.passages,
            new_tokens=sampling.max_new_tokens,
            budget=self.settings.context_tokens,
        )
        prompt = self.host.fit(context.turns, sampling.max_new_tokens)
        bias = self._bias(context)
        yield Piece("", tokens=0, retrieval=_told(found, context, bias))
        answer = ""
        for piece in self.host.generate(prompt, sampling, adjuster=bias):
            answer += piece.text
            yield piece
        rests_on = cited(answer, context.used)
        if rests_on.citations:
            yield Piece(rests_on.marker, tokens=0, citations=rests_on.citations)

    def _bias(self, context: Context) -> WordBias | None:
        if self.strength == 0 or not context.used:
            return None
        for report in self.documents:
            if report.id not in self._rarity:
                chunks = self._library.passages(report.id)
                self._rarity.add(report.id, [chunk.text for chunk in chunks])
        return WordBias(
            self.host,
            context.passages,
            self._rarity.of,
            strength=self.strength,
            decay=self.settings.decay,
        )

    def forget(self, document_id: str) -> None:
        """Take one document back.

        Raises:
            EngineError: if no learned document has this id.
        """
        self._check_idle()
        self._ledger.remove(document_id)
        self._drop(document_id)

    def _drop(self, document_id: str) -> None:
        """Let go of what is kept of a document that the ledger has no longer."""
        self._library.remove(document_id)
        self._rarity.remove(document_id)

    def reset(self) -> None:
        """Forget every document."""
        self._check_idle()
        self._replace(self._empty_library(), Ledger())

    def save(self, folder: Path) -> None:
        """Write the passages into ``folder``, atomically; the base model is not saved."""
        manifest = stored.manifest_of(self.name, self.host, self.settings, self._ledger.entries)
        parts = {report.id: self._library.tensors(report.id) for report in self.documents}
        checkpoints.write(folder, manifest, parts)

    def load(self, folder: Path) -> None:
        """Replace what is learned by what is in ``folder``; strength and settings stay.

        Raises:
            CheckpointError: another engine or base model, or damaged files; nothing changes.
        """
        self._check_idle()
        manifest, parts = checkpoints.read(
            folder, engine=self.name, model=self.host.name, fingerprint=self.host.fingerprint
        )
        stored.check_tokenizer(folder, manifest, self.host)
        library = self._empty_library()
        with stored.sound(folder):
            entries = stored.entries_of(manifest)
            for report in (entry.report for entry in entries):
                stored.check_text(report, parts[report.id])
                library.restore(report.id, report.title, parts[report.id])
                if len(library.passages(report.id)) != report.chunks:
                    raise ValueError(f"'{report.title}' has not {report.chunks} chunks")
        self._replace(library, Ledger(entries))

    def _replace(self, library: Library, ledger: Ledger) -> None:
        self._library, self._ledger, self._rarity = library, ledger, WordRarity()


def _told(found: Retrieval, context: Context, bias: WordBias | None) -> Retrieval:
    return dataclasses.replace(
        found,
        passages=context.passages,
        context_tokens=context.tokens,
        nudges=() if bias is None else bias.nudges,
        note=NO_ROOM if found.passages and not context.used else found.note,
    )
