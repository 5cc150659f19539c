"""Learning from one question: answer, review, tags, patch.  What each role says is told live."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engines.ace.bullet import Source
from engines.ace.counts import Counts, Shown
from engines.ace.events import AceProgress
from engines.ace.operations import Operation, Tag
from engines.ace.outcome import Outcome
from engines.ace.playbook import Playbook, PlaybookError
from engines.ace.questions import Pair
from engines.ace.reading import Unreadable, read_operations
from engines.ace.review import enforce, offer, settle
from engines.ace.revisions import History, Origin, Place
from engines.ace.roles import (
    Answered,
    Asked,
    Reflection,
    RoleTurn,
    answered,
    ask,
    curator,
    generator,
    reflected,
    reflector,
)
from engines.ace.scoring import Judgement, judged
from engines.ace.settings import AceSettings, limits_of
from engines.ace.trace import TraceEntry, Tracer
from engines.language_models.protocol import LanguageModel, ServerError
from engines.protocol import Passage

Finder = Callable[[str], Sequence[Passage]]
Events = Generator[AceProgress, None, None]

_FAILURES_IN_A_ROW = 2


class StoppedError(Exception):
    """The server failed again and again; the message is its last sentence."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person says to held operations while a learn goes on; see ``review.settle``."""

    accept: Mapping[Place, Operation | None] = field(default_factory=dict)
    reject: Collection[Place] = ()


class Lesson:
    """One learn in progress: ``history`` is what it came to so far, and only its own.

    Args:
        document: the id that bullets are learned from, where a pair names none.
        passages: finds what is shown to the Generator beside a question.
        decisions: gives what a person decided since it was last called.
    """

    def __init__(
        self,
        history: History,
        model: LanguageModel,
        settings: AceSettings,
        *,
        title: str = "",
        document: str | None = None,
        passages: Finder | None = None,
        decisions: Callable[[], Sequence[Decision]] | None = None,
    ) -> None:
        self.history = history
        self.settings = settings
        self.counts = Counts()
        self.at = Shown()
        self.tracer = Tracer(title, model.name, model.where)
        self._model = model
        self._document = document
        self._passages = passages
        self._decisions = decisions
        self._began = time.perf_counter()
        self._failures = 0
        self._failure = ""
        self._served = False

    def event(self, **values: Any) -> AceProgress:
        """An event at the present place."""
        at, counts = self.at, self.counts
        seconds = time.perf_counter() - self._began
        return AceProgress(
            values.pop("stage", at.purpose),
            at.fraction,
            seconds,
            purpose=at.purpose,
            step=at.question,
            steps=at.questions,
            passes_done=max(0, at.loop - 1),
            passes=at.loops,
            loop=at.loop,
            loops=at.loops,
            question=at.question,
            questions=at.questions,
            asked=at.asked,
            score=at.score,
            validation=at.validation,
            validation_before=at.validation_before,
            spent_tokens=counts.tokens,
            skipped=counts.skipped,
            unknown_ids=counts.unknown_ids,
            bullets=len(self.history.playbook.bullets),
            **values,
        )

    def remark(self, sentence: str) -> AceProgress:
        """An event with one sentence for people, which the trace keeps too."""
        self._note(note=sentence)
        return self.event(message=sentence)

    def within_budget(self) -> Events:
        """Evict what is over a budget that was lowered; what is held can't be over it."""
        if self.settings.review == "hold":
            return
        kept = enforce(self.history, limits_of(self.settings))
        self.history = kept.history
        if kept.outcomes:
            yield self._told(kept.outcomes)

    def learn_from(self, pair: Pair) -> Generator[AceProgress, None, Judgement]:
        """Answer ``pair``, review the answer and patch the playbook; how the first answer was.

        Raises:
            StoppedError: if the server failed again and again.
        """
        yield from self._decided()
        passages = self._found(pair.question)
        first = yield from self.answer(pair, passages)
        if first is None:
            return Judgement(False, 0.0)
        answer, judgement = first
        if judgement.right and not self.settings.reflect_on_right:
            helped = [Tag(id_, "helpful", "named in a right answer") for id_ in answer.bullet_ids]
            yield from self._offer(helped, "reflector", pair)
            return judgement
        reflection, tags = yield from self._reviews(pair, answer, judgement, passages)
        yield from self.patch(pair, reflection, tags)
        return judgement

    def answer(
        self,
        pair: Pair,
        passages: Sequence[Passage] | None = None,
        review: Reflection | None = None,
    ) -> Generator[AceProgress, None, tuple[Answered, Judgement] | None]:
        """The Generator's answer and whether it is right; None if it gave none."""
        found = self._found(pair.question) if passages is None else passages
        asked = generator(pair.question, self.history.playbook, found, self.settings, review)
        turn = yield from self.ask(asked)
        answer = answered(turn)
        if answer is None:
            return None
        judgement = judged(answer.final_answer, pair.answers)
        self._note(right=judgement.right)
        yield self.event(role="generator", right=judgement.right)
        return answer, judgement

    def reflect(
        self, question: str, answer: Answered, feedback: str, used: Playbook
    ) -> Generator[AceProgress, None, Reflection | None]:
        """The Reflector's review of ``answer``; None if it gave none."""
        turn = yield from self.ask(reflector(question, answer, feedback, used, self.settings))
        return reflected(turn)

    def patch(self, pair: Pair, reflection: Reflection | None, tags: Mapping[str, str]) -> Events:
        """Count ``tags``, and let the Curator change the playbook after ``reflection``."""
        rows = [{"type": "TAG", "id": id_, "tag": tag} for id_, tag in tags.items()]
        votes = [row for row in rows if row["tag"] != "neutral"]
        yield from self._offer(read_operations(votes), "reflector", pair)
        if reflection is None:
            return
        asked = curator(pair.question, reflection, self.history.playbook, self.settings)
        turn = yield from self.ask(asked)
        if turn.parsed is not None:
            fresh = _one_vote_each(read_operations(turn.parsed), tags)
            yield from self._offer(fresh, "curator", pair)

    def ask(self, asked: Asked) -> Generator[AceProgress, None, RoleTurn]:
        """One role's turn, streamed.

        Raises:
            StoppedError: if the server failed for the second time in a row.
        """
        yield self.event(role=asked.role)
        speaking = ask(self._model, asked, self.settings, self.history.next)
        try:
            while True:
                try:
                    chunk = next(speaking)
                except StopIteration as end:
                    turn: RoleTurn = end.value
                    break
                yield self.event(
                    role=asked.role,
                    piece=chunk.text,
                    thinking=chunk.thinking,
                    attempt=chunk.attempt,
                )
        finally:
            speaking.close()
        self.counts = self.counts.with_turn(turn)
        self._note(turn=turn)
        yield self.event(role=asked.role, turn=turn, message=turn.why_not)
        self._served = self._served or turn.attempts > 0
        self._failure = turn.why_not if turn.failure == "server" else self._failure
        self._failures = self._failures + 1 if turn.failure == "server" else 0
        if self._failures >= _FAILURES_IN_A_ROW:
            raise StoppedError(turn.why_not)
        return turn

    def check_served(self) -> None:
        """Raise ``ServerError`` if the server was asked and never gave an answer of any kind."""
        if self._failure and not self._served:
            raise ServerError(self._failure)

    def _reviews(
        self, pair: Pair, answer: Answered, judgement: Judgement, passages: Sequence[Passage]
    ) -> Generator[AceProgress, None, tuple[Reflection | None, dict[str, str]]]:
        """Up to ``reflector_rounds`` reviews, each but the last followed by another try."""
        latest: Reflection | None = None
        tags: dict[str, str] = {}
        for left in reversed(range(self.settings.reflector_rounds)):
            reflection = yield from self.reflect(
                pair.question, answer, _feedback(pair, judgement), self._used(answer)
            )
            if reflection is None:
                break
            latest = reflection
            tags |= reflection.tags
            if judgement.right or not left:
                break
            again = yield from self.answer(pair, passages, reflection)
            if again is None or again[1].right:
                break
            answer, judgement = again
        return latest, tags

    def _used(self, answer: Answered) -> Playbook:
        playbook = self.history.playbook
        return Playbook.of(b for b in playbook.bullets if b.id in answer.bullet_ids)

    def _found(self, question: str) -> Sequence[Passage]:
        return self._passages(question) if self._passages is not None else ()

    def _offer(
        self, operations: Sequence[Operation | Unreadable], origin: Origin, pair: Pair
    ) -> Events:
        loop = self.at.loop or None
        source = Source(pair.document or self._document, pair.question, loop)
        limits = limits_of(self.settings, pair)
        offered = offer(
            self.history,
            operations,
            limits,
            origin=origin,
            review=self.settings.review,
            source=source,
        )
        self.history = offered.history
        if offered.outcomes:
            yield self._told(offered.outcomes)

    def _told(self, outcomes: tuple[Outcome, ...]) -> AceProgress:
        self.counts = self.counts.with_outcomes(outcomes)
        self._note(outcomes=outcomes)
        return self.event(outcomes=outcomes, history=self.history)

    def _decided(self) -> Events:
        """Carry out what a person decided meanwhile."""
        for decision in self._decisions() if self._decisions is not None else ():
            try:
                settled = settle(
                    self.history, decision.accept, decision.reject, limits_of(self.settings)
                )
            except PlaybookError as error:
                yield self.remark(str(error))
                continue
            self.history = settled.history
            if settled.outcomes:
                yield self._told(settled.outcomes)

    def _note(self, **values: Any) -> None:
        at = self.at
        self.tracer.add(TraceEntry(at.purpose, at.loop, at.question, at.asked, **values))


def _one_vote_each(
    operations: Sequence[Operation | Unreadable], voted: Collection[str]
) -> list[Operation | Unreadable]:
    """``operations`` with one vote for a bullet, and none for those of ``voted``."""
    counted, kept = set(voted), list[Operation | Unreadable]()
    for one in operations:
        if isinstance(one, Tag):
            if one.id in counted:
                continue
            counted.add(one.id)
        kept.append(one)
    return kept


def _feedback(pair: Pair, judgement: Judgement) -> str:
    if judgement.right:
        return "The answer is right."
    golds = " | ".join(pair.answers[:4])
    return f"The answer is wrong. Right would have been: {golds}"
