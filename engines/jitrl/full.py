"""The JitRL Full engine: hidden states of documents that move the logits where they are near."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import tempfile
import time
import weakref
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from shutil import rmtree

from engines import families
from engines.abilities import Feedback, Rating, Recall
from engines.atomic import write_failure
from engines.host import ModelHost
from engines.jitrl import stored
from engines.jitrl.answers import LastAnswer, Watched, with_context
from engines.jitrl.asked import question_place, question_state
from engines.jitrl.beside import BesideWeights
from engines.jitrl.calibration import Calibration
from engines.jitrl.citing import cited
from engines.jitrl.knowledge import Knowledge, loaded
from engines.jitrl.ledger import Ledger
from engines.jitrl.mvp import NOTHING_ASKED, NOTHING_LEARNED
from engines.jitrl.question import has_words, query_of
from engines.jitrl.recalling import loss_by, recalled
from engines.jitrl.recording import Projection, layer_index
from engines.jitrl.search import ChunkHit
from engines.jitrl.settings import JitRLFullSettings
from engines.jitrl.state_reading import (
    check_settings,
    chunks_of,
    gate_reading,
    written,
)
from engines.jitrl.steering import Steering
from engines.models import default_cache
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

NOTHING_NEAR = "Nothing stored was near enough to move a token: the answer is the model's own."


class JitRLFullEngine(BesideWeights):
    """Learns documents as hidden states to look up; the network is never changed.

    With ``interpolate`` the strength only turns neighbours on and off.

    Args:
        host: the base model.
        settings: see ``JitRLFullSettings``.
        folder: where state files are kept while they are in use; by default a temporary
            folder that goes with the engine.
        cache: folder for what is read once per model; None is the one all homes share.

    Raises:
        EngineError: if a setting is out of its range.
    """

    name = "jitrl-full"
    most_strength = 32.0

    def __init__(
        self,
        host: ModelHost,
        settings: JitRLFullSettings | None = None,
        *,
        folder: Path | None = None,
        cache: Path | None = None,
    ) -> None:
        self.host = host
        self.settings = settings or JitRLFullSettings()
        check_settings(self.settings)
        self._layer = layer_index(host.model, self.settings.layer)
        hidden = families.lm_head(host.model).in_features
        self._projection = Projection(hidden, self.settings.projection)
        states = cache or default_cache() / "states"
        self._calibration = Calibration(host, self.settings, self._projection, cache=states)
        self._folder = folder
        self._knowledge = Knowledge(host, self.settings)
        self._last: LastAnswer | None = None
        self.strength = self.settings.strength

    @property
    def _kept(self) -> Ledger:
        return self._knowledge.ledger

    def _workplace(self) -> Path:
        try:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="cl-workbench-"))
                weakref.finalize(self, rmtree, self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            folder = self._folder or Path(tempfile.gettempdir())
            raise CheckpointError(write_failure(folder, error)) from error
        return self._folder

    def learn(self, document: Document) -> Generator[Progress | LearnReport, None, None]:
        """Read ``document`` and store its states; closing early leaves no trace and no file."""
        self._check_idle()
        self._knowledge.ledger.check_new(document)
        self._learning = True
        try:
            report = yield from self._stored(document)
        finally:
            self._learning = False
        yield report

    def _stored(self, document: Document) -> Generator[Progress, None, LearnReport]:
        began = time.perf_counter()
        yield from gate_reading(self._calibration)
        chunks = yield from chunks_of(self._knowledge.library, document)
        path = self._workplace() / f"{secrets.token_hex(8)}.safetensors"
        try:
            tokens, loss = yield from written(
                self.host, document, chunks, path, self.settings, self._projection
            )
            # From here on there is no event, so what is begun is finished.
            seconds = time.perf_counter() - began
            ledger = self._knowledge.ledger
            report = ledger.report_on(document, tokens, len(chunks), seconds, loss)
            file = self._knowledge.open(path)
            for earlier in self._knowledge.add(document, chunks, file, report):
                if self._last is not None:
                    self._last.forget(earlier, self.feedback)
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        return report

    def retrieve(self, query: str) -> Retrieval:
        """The chunks nearest to ``query``, asked as the only question; nothing is answered.

        Raises:
            EngineError: if ``query`` has no word.
        """
        if not has_words(query):
            raise EngineError("There is no word to look for: ask for something in words.")
        if not self._anything_counts:
            return Retrieval(query, note=NOTHING_LEARNED)
        return self._told(query, self._hits(query))

    def _hits(self, query: str) -> tuple[ChunkHit, ...]:
        state = self._projection(question_state(self.host, self.settings.layer, query))
        space = self._calibration.space
        return self._knowledge.store.candidates(
            space.of_question(state),
            self.settings.chunk_candidates,
            space,
            leaving_out=self._silent,
        )

    def _told(self, query: str, hits: Sequence[ChunkHit]) -> Retrieval:
        return Retrieval(query, tuple(self._knowledge.passage(hit) for hit in hits))

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Stream an answer whose logits near states move; the first piece tells the chunks.

        Where chunks come near only while the answer grows, a nudge doesn't name them.  Where
        nothing was moved, a last piece tells the retrieval anew, with a note that says so.
        """
        question = query_of(turns)
        # Whatever comes of it, the answer before is no longer the last one.
        self._last = LastAnswer(question, "", 0, ())
        if not self._anything_counts or not has_words(question):
            note = NOTHING_LEARNED if has_words(question) else NOTHING_ASKED
            yield Piece("", tokens=0, retrieval=Retrieval(question, note=note))
            yield from self.host.reply(turns, sampling)
            return
        told, hits, prompted = self._context(turns, question, sampling)
        steering = self._steering(prompted, turns[-1].content, hits)
        yield from self._answered(prompted, question, told, steering, sampling)

    def _context(
        self, turns: Sequence[Turn], question: str, sampling: Sampling
    ) -> tuple[Retrieval | None, tuple[ChunkHit, ...] | None, Sequence[Turn]]:
        """What is known before the prompt is read, and the turns to prompt with."""
        count = self.settings.context_chunks
        if not count:
            return None, None, turns
        hits = self._hits(question)
        told, prompted = with_context(
            self.host, turns, self._told(question, hits), self.settings, sampling.max_new_tokens
        )
        return told, hits, prompted

    def _steering(
        self, turns: Sequence[Turn], question: str, shown: tuple[ChunkHit, ...] | None
    ) -> Steering:
        return Steering(
            self.host,
            self._knowledge.store,
            self._knowledge.returns,
            settings=self.settings,
            projection=self._projection,
            measure=self._calibration.of(self._knowledge.store, self._silent),
            strength=self._reach(),
            place=question_place(self.host, turns, question),
            silent=self._silent,
            shown=shown,
        )

    def _reach(self) -> float:
        """The strength, or 0 where a share of 0 turns the neighbours off."""
        off = self.settings.mix == "interpolate" and not self.settings.share
        return 0.0 if off else self.strength

    def _answered(
        self,
        turns: Sequence[Turn],
        question: str,
        told: Retrieval | None,
        steering: Steering,
        sampling: Sampling,
    ) -> Iterator[Piece]:
        prompt = self.host.fit(turns, sampling.max_new_tokens)
        answer = ""
        watched = Watched(steering)
        may_move = self._reach() > 0
        pieces = self.host.generate(prompt, sampling, around=steering.around, adjuster=watched)
        first = True
        try:
            for piece in pieces:
                if first:
                    told = told or self._told(question, steering.shown or ())
                    yield Piece("", tokens=0, retrieval=told)
                    first = False
                answer += piece.text
                yield piece
        finally:
            # A document may have been forgotten while the answer was streamed.
            used = tuple(u for u in steering.used if u.document_id in self._knowledge.ledger)
            self._last = LastAnswer(question, answer, steering.used_tokens, used)
        told = told or self._told(question, steering.shown or ())
        if first:
            yield Piece("", tokens=0, retrieval=told)
        in_prompt = [passage for passage in told.passages if passage.reference is not None]
        rests_on = cited(answer, in_prompt)
        if rests_on.citations:
            yield Piece(rests_on.marker, tokens=0, citations=rests_on.citations)
        if may_move and not (watched.moved or in_prompt):
            yield Piece("", tokens=0, retrieval=dataclasses.replace(told, note=NOTHING_NEAR))

    @property
    def feedback(self) -> tuple[Feedback, ...]:
        """All verdicts in force, in their order."""
        return self._knowledge.returns.feedback

    def rate(self, rating: Rating) -> Feedback:
        """Raise ("up") or lower ("down") the returns of what the last answer rested on.

        Raises:
            EngineError: if there is no answer yet, or it was rated, or used nothing stored.
        """
        self._check_idle()
        if self._last is None:
            raise EngineError("There is no answer to rate: ask a question first.")
        rate = self.settings.feedback_rate
        return self._last.rate(rating, self._knowledge.returns, rate)

    def undo_rating(self) -> Feedback:
        """Take the last verdict back, to the bit.  Raises ``EngineError`` if there is none."""
        self._check_idle()
        undone = self._knowledge.returns.undo()
        if self._last is not None:
            self._last.undone(undone)
        return undone

    def recall(self, document: Document) -> Iterator[Progress | Recall]:
        """How well ``document`` is predicted by the base, and with what is learned."""
        self._check_idle()
        learned = None
        if self._anything_counts and self._reach():
            learned = loss_by(
                self.host,
                self._knowledge.store,
                self._knowledge.returns,
                self.settings,
                measure=self._calibration.of(self._knowledge.store, self._silent),
                strength=self._reach(),
                silent=self._silent,
            )
        yield from recalled(self.host, document, self.settings, self._projection, learned)

    def forget(self, document_id: str) -> None:
        """Take one document back, with its file.  Raises ``EngineError`` for an unknown id."""
        self._check_idle()
        self._knowledge.remove(document_id)
        if self._last is not None:
            self._last.forget(document_id, self.feedback)

    def reset(self) -> None:
        """Forget every document and verdict."""
        self._check_idle()
        self._replace(Knowledge(self.host, self.settings))

    def save(self, folder: Path) -> None:
        """Write what is learned and the verdicts into ``folder``, atomically."""
        entries = self._knowledge.ledger.entries
        manifest = stored.manifest_of(self.name, self.host, self.settings, entries)
        self._knowledge.save(folder, manifest | {"states": self._kind()})

    def load(self, folder: Path) -> None:
        """Replace what is learned by what is in ``folder``; strength and settings stay.

        Raises:
            CheckpointError: another engine, base model, layer or projection, or damaged
                files; nothing changes.
        """
        self._check_idle()
        self._replace(
            loaded(
                folder,
                self.host,
                self.settings,
                engine=self.name,
                kind=self._kind(),
                workplace=self._workplace(),
            )
        )

    def _kind(self) -> dict[str, int]:
        return {"layer": self._layer, "width": self._projection.width}

    def _replace(self, knowledge: Knowledge) -> None:
        before, self._knowledge = self._knowledge, knowledge
        self._last = None
        before.delete_files()
