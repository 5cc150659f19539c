"""The ACE engine: a playbook that grows by patches, and the documents' passages beside it."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from engines.abilities import Feedback, Rating
from engines.ace import replying, stored
from engines.ace.bullet import now
from engines.ace.editing import EditsPlaybook
from engines.ace.loop import Learned, learn
from engines.ace.provenance import moved, only_from, rejected, without_document
from engines.ace.questions import Pair, Split, is_only_questions, pairs_of, split
from engines.ace.rating import RatedAnswer, learn_from_rating
from engines.ace.reporting import reported
from engines.ace.revisions import History, revert
from engines.ace.settings import AceSettings
from engines.ace.shelf import Book, Shelf
from engines.ace.sizes import about_tokens
from engines.ace.trace import Trace
from engines.jitrl.chunks import Chunk
from engines.jitrl.ledger import Entry, Ledger
from engines.jitrl.question import query_of
from engines.language_models.protocol import LanguageModel, ServerError
from engines.protocol import (
    Document,
    EngineError,
    LearnReport,
    Piece,
    Progress,
    Sampling,
    Turn,
)

KEPT_TRACES = 10


class AceEngine(EditsPlaybook):
    """Learns rules from questions with answers; no network is changed.

    Args:
        model: answers as every role; it can be another one later, set ``model``.
        settings: see ``AceSettings``.
        history: a playbook to begin with.

    Raises:
        EngineError: if a setting is out of its range.
    """

    name = "ace"

    def __init__(
        self,
        model: LanguageModel,
        settings: AceSettings | None = None,
        *,
        history: History | None = None,
    ) -> None:
        self.model = model
        settings = settings or AceSettings()
        settings.check()
        super().__init__(Shelf(settings.passages), settings, history or History.start())
        self._traces: deque[Trace] = deque(maxlen=KEPT_TRACES)
        self._answer: RatedAnswer | None = None
        self._feedback: list[tuple[Feedback, History, History]] = []

    @property
    def history(self) -> History:
        """The playbook with all its revisions; another one can be set while nothing is learned.

        Answers and ratings count for one that goes on from the present one, for no other.

        Raises:
            EngineError: on setting one during a learn.
        """
        return self._history

    @history.setter
    def history(self, history: History) -> None:
        present = self._idle_history().revisions
        if history.revisions[: len(present)] != present:
            self._forget_answers()
        self._history = history

    @property
    def traces(self) -> tuple[Trace, ...]:
        """What the roles said in the latest learns, oldest first."""
        return tuple(self._traces)

    def learn(
        self, document: Document, pairs: Sequence[Pair] = ()
    ) -> Generator[Progress | LearnReport, None, None]:
        """Learn rules from the questions about ``document``, and keep it for context.

        The questions are ``pairs``, else those that came with it, else the model writes some;
        without any the document is kept all the same.  One that is kept already is learned
        further by questions that are given.  Closing early leaves no trace.

        Raises:
            DocumentError: if it was learned already and brings no questions, or has no words.
            ServerError: if there are questions and the model's server gives no answer.
        """
        given = tuple(pairs) or pairs_of(document)
        with self._exclusively():
            if given and document.id in self._ledger:
                report = yield from self._taught_further(document, given)
            else:
                self._ledger.check_new(document)
                report = yield from self._taught(document, given)
        yield report

    def practise(
        self, pairs: Sequence[Pair], title: str = "questions"
    ) -> Generator[Progress, None, Learned]:
        """Learn rules from ``pairs`` alone, with what was learned before in view.

        Raises:
            ServerError: if the model's server gives no answer.
        """
        with self._exclusively():
            learned = yield from learn(
                self._history,
                self._split(pairs),
                self.model,
                self.settings,
                title=title,
                passages=lambda question: self._found(question).passages,
                decisions=self._taken,
            )
            self._adopt(learned)
        return learned

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Stream an answer with the playbook and the passages found in view."""
        self._answer = None  # one that is broken off can't be rated, nor the one before it
        silent = only_from(self._history, self._ledger.silent) if self._ledger.silent else ()
        answer, shown = yield from replying.reply(
            self.model,
            turns,
            sampling,
            self.playbook.without(silent),
            self._found(query_of(turns)),
            self._history.next,
        )
        self._answer = RatedAnswer(turns[-1].content, answer, "up", shown)

    def rating(self, rating: Rating, correction: str = "") -> Generator[Progress, None, Feedback]:
        """Learn from a person's verdict on the last answer; closing early leaves no trace.

        Raises:
            EngineError: if there is no answer yet, or it was rated.
            ServerError: if the model's server gives no answer.
        """
        with self._exclusively():
            if self._answer is None:
                raise EngineError("There is no answer to rate: ask something first.")
            rated = dataclasses.replace(self._answer, rating=rating, correction=correction)
            before = self._history
            learned = yield from learn_from_rating(before, rated, self.model, self.settings)
            self._adopt(learned)
            self._answer = None
            feedback = Feedback(
                len(self._feedback) + 1,
                rating,
                rated.question,
                rated.answer,
                0,
                learned.counts.accepted,
                now(),
            )
            self._feedback.append((feedback, before, self._history))
        return feedback

    @property
    def feedback(self) -> tuple[Feedback, ...]:
        """The verdicts in force; ``entries`` counts the operations that were applied."""
        return tuple(feedback for feedback, _, _ in self._feedback)

    def rate(self, rating: Rating) -> Feedback:
        """As ``rating``, all at once."""
        steps = self.rating(rating)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                feedback: Feedback = end.value
                return feedback

    def undo_rating(self) -> Feedback:
        """Go back to the playbook before the last verdict; what came of it stays in the log.

        What waits for review because of it is rejected.

        Raises:
            EngineError: if there is none, or the playbook has changed since.
        """
        self._check_idle()
        if not self._feedback:
            raise EngineError("There is no rating to take back.")
        feedback, before, after = self._feedback[-1]
        if self._history.playbook != after.playbook:
            raise EngineError(
                "The playbook has changed since that rating: undo the changes one by one instead."
            )
        due = range(before.next, after.next)
        waiting = [held.place for held in self.pending if held.place[0] in due]
        history = rejected(self._history, waiting)
        if before.playbook != after.playbook:
            history = revert(history, before.head.number, note="took a rating back")
        self._history = history
        self._feedback.pop()
        return feedback

    def forget(self, document_id: str) -> None:
        """Take one document back: its passages, and the bullets that rest on it alone.

        The bullets go by a revision, so an undo brings them back; what waits for review because
        of the document is rejected.

        Raises:
            EngineError: if no learned document has this id.
        """
        self._check_idle()
        title = self._ledger[document_id].report.title
        self._history = without_document(self._history, document_id, f"forgot '{title}'")
        self._ledger.remove(document_id)
        self._shelf.remove(document_id)

    def reset(self) -> None:
        """Forget every document and empty the playbook, whose revisions stay."""
        self._check_idle()
        history = rejected(self._history, [held.place for held in self.pending])
        if history.playbook.bullets:
            history = revert(history, 0, note="emptied")
        self._replace(history, Ledger(), Shelf(self.settings.passages))

    def save(self, folder: Path) -> None:
        """Write the playbook and the documents into ``folder``, atomically."""
        state = stored.State(self._history, self._ledger.entries, self._shelf.books)
        stored.write(folder, self.name, self.model.name, self.settings, state)

    def load(self, folder: Path) -> None:
        """Replace what is learned by what is in ``folder``; model and settings stay.

        Raises:
            CheckpointError: another engine, or damaged files; nothing changes.
        """
        self._check_idle()
        state = stored.read(folder, self.name, self.model.name)
        shelf = Shelf(self.settings.passages, state.books)
        self._replace(state.history, Ledger(state.entries), shelf)

    def _taught(
        self, document: Document, pairs: Sequence[Pair]
    ) -> Generator[Progress, None, LearnReport]:
        began = time.perf_counter()
        yield Progress("reading", 0.0, 0.0)
        chunks = list[Chunk]()
        for chunk in self._shelf.cutting(document):
            chunks.append(chunk)
            seconds = time.perf_counter() - began
            share = chunk.end / len(document.text)
            yield Progress("cutting", share, seconds, step=len(chunks))
        book = Book(document.title, document.text, tuple(chunks), not is_only_questions(document))
        own = Shelf(self.settings.passages, {document.id: book})
        history = moved(self._history, self._earlier(document), document.id)
        learned, notes = yield from self._learned(history, document, pairs, own, book)
        report = self._ledger.report_on(
            document, about_tokens(document.text), len(chunks), time.perf_counter() - began
        )
        report = reported(report, learned, notes)
        self._shelf.put(document.id, book)
        for earlier in self._ledger.put(Entry(report, stored.size_of(book))):
            self._shelf.remove(earlier)
        self._history = history
        if learned is not None:
            self._adopt(learned)
        return report

    def _taught_further(
        self, document: Document, pairs: Sequence[Pair]
    ) -> Generator[Progress, None, LearnReport]:
        began = time.perf_counter()
        book = self._shelf.books[document.id]
        own = Shelf(self.settings.passages, {document.id: book})
        learned, notes = yield from self._learned(self._history, document, pairs, own, book)
        report = dataclasses.replace(
            self._ledger[document.id].report,
            seconds=time.perf_counter() - began,
            learned_at=now(),
            notes=(
                "It was there already, and was learned further by these questions.",
                *document.notes,
            ),
        )
        report = reported(report, learned, notes)
        self._ledger.report_anew(report)
        if learned is not None:
            self._adopt(learned)
        return report

    def _earlier(self, document: Document) -> frozenset[str]:
        """The ids of earlier versions of the document's file."""
        path = document.path
        return frozenset(r.id for r in self.documents if path is not None and r.path == path)

    def _learned(
        self, history: History, document: Document, pairs: Sequence[Pair], own: Shelf, book: Book
    ) -> Generator[Progress, None, tuple[Learned | None, tuple[str, ...]]]:
        """What came of the questions; None where there are none and none could be written."""
        try:
            learned = yield from learn(
                history,
                self._split(pairs),
                self.model,
                self.settings,
                title=document.title,
                document=document.id,
                passages=own.search,
                text=document.text if book.searched else "",
                decisions=self._taken,
            )
        except ServerError as error:
            if pairs:
                raise
            return None, (f"No questions could be written, so it is kept for context: {error}",)
        if not learned.questions.learned:
            return learned, (*learned.notes, "There are no questions: it is kept for context.")
        return learned, learned.notes

    def _split(self, pairs: Sequence[Pair]) -> Split:
        s = self.settings
        return split(pairs, s.validation_share, s.validation_questions, s.seed)

    def _adopt(self, learned: Learned) -> None:
        self._history = learned.history
        if learned.trace.entries:
            self._traces.append(learned.trace)

    def _replace(self, history: History, ledger: Ledger, shelf: Shelf) -> None:
        self._history, self._ledger, self._shelf = history, ledger, shelf
        self._forget_answers()

    def _forget_answers(self) -> None:
        self._answer = None
        self._feedback.clear()
