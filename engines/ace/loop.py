"""The loop over questions: learn from each, score the playbook, keep the best one."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace

from engines.ace.counts import Counts
from engines.ace.events import AceProgress
from engines.ace.lesson import Decision, Events, Finder, Lesson, StoppedError
from engines.ace.playbook import Playbook
from engines.ace.questions import Pair, Split, split
from engines.ace.revisions import History, revert, scored
from engines.ace.settings import AceSettings
from engines.ace.trace import Trace
from engines.ace.writing import write_pairs
from engines.decoding import counted
from engines.language_models.protocol import LanguageModel


@dataclass(frozen=True, slots=True)
class Learned:
    """What a learn came to.

    ``scores`` are those of the validation before the first loop and after each, ``right`` the
    share (0..1) of each loop's questions that were answered right before learning from them.
    ``notes`` are sentences for people, ``questions`` what was asked.
    """

    history: History
    trace: Trace
    counts: Counts
    scores: tuple[float, ...] = ()
    right: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    questions: Split = field(default_factory=Split)


def learn(
    history: History,
    questions: Split,
    model: LanguageModel,
    settings: AceSettings,
    *,
    title: str = "",
    document: str | None = None,
    passages: Finder | None = None,
    text: str = "",
    decisions: Callable[[], Sequence[Decision]] | None = None,
) -> Generator[AceProgress, None, Learned]:
    """Go ``settings.loops`` times through the questions; returns what was learned.

    Where there are none to learn from, the model writes some about ``text``.

    ``history`` is a value and stays what it is, so closing the generator leaves no trace.  The
    playbook with the best validation score is kept, of equals the last; without questions for
    validation the last one is.  An answer that can't be used costs its step and is counted.

    Raises:
        ServerError: if the model's server never gave an answer.  If it fails later, what was
            learned so far is returned, and a note says so.
    """
    lesson = Lesson(
        history,
        model,
        settings,
        title=title,
        document=document,
        passages=passages,
        decisions=decisions,
    )
    course = _Course(lesson)
    try:
        if not questions.learned and text and settings.written_questions:
            questions = yield from course.written(text, document)
        yield from course.loops(questions)
    except StoppedError as stopped:
        lesson.check_served()
        yield course.noted(f"Learning ended early, and what was learned is kept: {stopped}")
    lesson.check_served()
    return Learned(
        lesson.history,
        lesson.tracer.trace(),
        lesson.counts,
        tuple(course.scores),
        tuple(course.right),
        tuple(course.notes),
        course.questions,
    )


@dataclass(frozen=True, slots=True)
class _Best:
    score: float
    revision: int
    playbook: Playbook


class _Course:
    """The loops of one learn, with their scores."""

    def __init__(self, lesson: Lesson) -> None:
        self._lesson = lesson
        self.questions = Split()
        self._loops = lesson.settings.loops
        self._done = 0
        self._best: _Best | None = None
        self.scores: list[float] = []
        self.right: list[float] = []
        self.notes: list[str] = []

    def written(self, text: str, document: str | None) -> Generator[AceProgress, None, Split]:
        """Questions that the model writes about ``text``, in their parts."""
        lesson = self._lesson
        pairs, rejected = yield from write_pairs(lesson, text, document)
        s = lesson.settings
        what = f"The model wrote {counted(len(pairs), 'usable question')}"
        yield self.noted(f"{what}; {rejected} could not be used.")
        return split(pairs, s.validation_share, s.validation_questions, s.seed)

    def loops(self, questions: Split) -> Events:
        """Every loop, with a validation before the first and after each."""
        if not questions.learned:
            return
        lesson, self.questions = self._lesson, questions
        lesson.at = replace(lesson.at, loops=self._loops)
        yield from lesson.within_budget()
        yield from self._validated(0)
        for loop in range(1, self._loops + 1):
            yield from self._loop(loop)
            yield from self._validated(loop)

    def noted(self, sentence: str) -> AceProgress:
        """An event with a sentence that is also kept for the report."""
        self.notes.append(sentence)
        return self._lesson.remark(sentence)

    def _loop(self, loop: int) -> Events:
        lesson, earned = self._lesson, list[float]()
        lesson.at = replace(lesson.at, score=None)
        for number, pair in enumerate(self._ordered(loop), start=1):
            self._at("learning", loop, number, len(self.questions.learned), pair)
            judgement = yield from lesson.learn_from(pair)
            earned.append(judgement.credit)
            self._done += 1
            lesson.at = replace(lesson.at, score=sum(earned) / len(earned), fraction=self._fraction)
            yield lesson.event()
        if earned:
            self.right.append(sum(earned) / len(earned))

    def _ordered(self, loop: int) -> Sequence[Pair]:
        """The questions as given in the first loop; then shuffled, so that no loop is the same."""
        pairs = list(self.questions.learned)
        if loop > 1:
            random.Random(f"{self._lesson.settings.seed}-{loop}").shuffle(pairs)
        return pairs

    def _validated(self, loop: int) -> Events:
        if not self.questions.validation:
            return
        lesson, best = self._lesson, self._best
        if best is not None and lesson.history.playbook == best.playbook:
            score = best.score  # nothing changed, so nothing is asked again
            self._done += len(self.questions.validation)
        else:
            score = yield from self._score(loop)
        self.scores.append(score)
        lesson.history = scored(lesson.history, lesson.history.head.number, score)
        before = score if loop == 0 else lesson.at.validation_before
        lesson.at = replace(
            lesson.at, validation=score, validation_before=before, fraction=self._fraction
        )
        yield lesson.event(history=lesson.history)
        yield from self._kept(loop, score)

    def _score(self, loop: int) -> Generator[AceProgress, None, float]:
        """The mean credit of the questions kept apart; one without an answer gets none."""
        lesson, credit = self._lesson, 0.0
        for number, pair in enumerate(self.questions.validation, start=1):
            self._at("validating", loop, number, len(self.questions.validation), pair)
            answer = yield from lesson.answer(pair)
            credit += answer[1].credit if answer is not None else 0.0
            self._done += 1
        return credit / len(self.questions.validation)

    def _kept(self, loop: int, score: float) -> Events:
        """Remember the best playbook, and go back to it from a worse one."""
        lesson, best = self._lesson, self._best
        if best is None or score >= best.score:
            history = lesson.history
            self._best = _Best(score, history.head.number, history.playbook)
            return
        what = f"Loop {loop} made it worse ({score:.0%} of the validation, {best.score:.0%} before)"
        if not lesson.settings.keep_best:
            yield self.noted(f"{what}; it is kept, as ace.keep_best is off.")
            return
        note = f"{what}: its changes were taken back."
        if lesson.history.playbook != best.playbook:
            lesson.history = revert(lesson.history, best.revision, note=note)
        lesson.at = replace(lesson.at, validation=best.score)
        yield self.noted(note)

    def _at(self, purpose: str, loop: int, number: int, of: int, pair: Pair) -> None:
        lesson = self._lesson
        lesson.at = replace(
            lesson.at,
            purpose="validating" if purpose == "validating" else "learning",
            loop=loop,
            question=number,
            questions=of,
            asked=pair.question,
            fraction=self._fraction,
        )

    @property
    def _fraction(self) -> float:
        validation = len(self.questions.validation) * (self._loops + 1)
        total = len(self.questions.learned) * self._loops + validation
        return min(1.0, self._done / total) if total else 1.0
