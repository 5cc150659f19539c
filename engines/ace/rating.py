"""Online learning: one step after a person rated an answer."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from engines.abilities import Rating
from engines.ace.events import AceProgress
from engines.ace.lesson import Lesson, StoppedError
from engines.ace.loop import Learned
from engines.ace.playbook import Playbook
from engines.ace.questions import Pair
from engines.ace.revisions import History
from engines.ace.roles import Answered
from engines.ace.settings import AceSettings
from engines.language_models.protocol import LanguageModel, ServerError

_VERDICTS = {
    "up": "The person who asked says that this is a good answer.",
    "down": "The person who asked says that this is not a good answer.",
}


@dataclass(frozen=True, slots=True)
class RatedAnswer:
    """An answer that a person saw; ``playbook`` was shown to the model that gave it.

    ``correction`` is what the person would have liked to read, where they said so.
    """

    question: str
    answer: str
    rating: Rating
    playbook: Playbook
    correction: str = ""


def learn_from_rating(
    history: History, rated: RatedAnswer, model: LanguageModel, settings: AceSettings
) -> Generator[AceProgress, None, Learned]:
    """Review the answer in the light of its rating and patch the playbook, in one step.

    Raises:
        ServerError: if the model's server gave no answer.
    """
    lesson = Lesson(history, model, settings, title=rated.question)
    lesson.at = replace(lesson.at, purpose="rating", question=1, questions=1, asked=rated.question)
    known = frozenset(history.playbook.ids)
    used = Playbook.of(bullet for bullet in rated.playbook.bullets if bullet.id in known)
    feedback = _VERDICTS[rated.rating]
    if rated.correction:
        feedback += f" They would have liked to read: {rated.correction}"
    answer = Answered("", used.ids, rated.answer)
    pair = Pair(rated.question, (rated.correction,) if rated.correction else ())
    try:
        reflection = yield from lesson.reflect(rated.question, answer, feedback, used)
        tags = reflection.tags if reflection is not None else {}
        yield from lesson.patch(pair, reflection, tags)
    except StoppedError as stopped:
        raise ServerError(str(stopped)) from stopped
    lesson.check_served()
    return Learned(lesson.history, lesson.tracer.trace(), lesson.counts)
