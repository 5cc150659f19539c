"""What a document is studied by: which objective, which items, and why."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.atomic import write_atomically
from engines.decoding import counted
from engines.host import ModelHost
from engines.protocol import Document, EngineError, StudyItem, StudyPlan
from engines.ttt.settings import TTTSettings
from engines.ttt.study.cloze import cloze_items
from engines.ttt.study.questions import Written, asks, question_passages, write_items
from engines.ttt.study.steps import StudyStep, evenly
from engines.words import informative

log = logging.getLogger(__name__)

AUTO_OBJECTIVE = "mixed"  # what ``objective: auto`` comes to where there is anything to study
TRIAL_QUESTIONS = 6
ATTEMPTS_PER_ITEM = 2  # questions written for each one wanted, at most
_TRIAL_FORMAT = 2  # raised when the requests or the filters change
_FAIR_PASSAGES = 3  # a trial on fewer says more of the document than of the model


@dataclass(frozen=True, slots=True)
class Trial:
    """How the quick test went: ``usable`` of ``written`` questions could be studied."""

    usable: int
    written: int

    @property
    def passed(self) -> bool:
        """Whether this model can be left to write the questions."""
        return self.written > 0 and 2 * self.usable >= self.written


def prepare(
    host: ModelHost, document: Document, settings: TTTSettings, cache: Path | None = None
) -> Generator[StudyStep, None, StudyPlan]:
    """Prepare what ``document`` is studied by, and return the plan; nothing is learned.

    Items given with the document (``document.study``) are used as they are.  Else its own
    questions come first, and questions that the model writes, or sentences of the
    document where it can't, fill up to ``settings.study_items``.  The base model must be
    unchanged: run it outside any engine's block.

    Args:
        cache: folder for the outcome of the quick test, one small file per model; None
            tests the model each time.
    """
    if settings.objective == "next_token":
        return StudyPlan("next_token", "ttt.objective is next_token, so the text alone is learned")
    objective = AUTO_OBJECTIVE if settings.objective == "auto" else settings.objective
    if document.study:
        return StudyPlan(objective, f"{counted(len(document.study), 'item')} given", document.study)
    passages = question_passages(host, document.text)
    given, reason = _given(document, passages, settings.study_items)
    written = Written()
    room = settings.study_items - len(given)
    if room > 0:
        known = [item.prompt for item in given]
        written, why = yield from _made(host, document, settings, passages, room, known, cache)
        reason = f"{reason}; {why}" if reason else why
    items = given + written.kept
    if not items:
        return StudyPlan("next_token", f"{reason}; the text alone is learned", (), written.rejected)
    if settings.objective == "auto":
        reason = f"picked by auto, as {reason}"
    return StudyPlan(objective, reason, items, written.rejected)


def given_items(document: Document, passages: Sequence[str]) -> tuple[StudyItem, ...]:
    """The document's own questions, each with the passage that shares most words with it."""
    places: dict[str, list[int]] = defaultdict(list)
    for number, passage in enumerate(passages):
        for word in informative(passage):
            places[word].append(number)
    found: list[StudyItem] = []
    for question, answers in document.questions:
        if not answers:
            continue
        votes: dict[int, float] = defaultdict(float)
        for word in informative(f"{question} {answers[0]}"):
            for number in places.get(word, ()):
                votes[number] += 1 / len(places[word])
        best = min(votes, key=lambda number: (-votes[number], number), default=None)
        passage = "" if best is None else passages[best]
        found.append(StudyItem("given", question, answers[0], passage))
    return tuple(found)


def _given(
    document: Document, passages: Sequence[str], limit: int
) -> tuple[tuple[StudyItem, ...], str]:
    items = given_items(document, passages)
    if not items:
        return (), ""
    came = f"{counted(len(items), 'question')} came with the document"
    if len(items) <= limit:
        return items, came
    return tuple(evenly(items, limit)), f"{came}, of which ttt.study_items takes {limit}"


def _made(
    host: ModelHost,
    document: Document,
    settings: TTTSettings,
    passages: Sequence[str],
    room: int,
    known: Sequence[str],
    cache: Path | None,
) -> Generator[StudyStep, None, tuple[Written, str]]:
    """Up to ``room`` items that the model writes or that are cut from the text, and why those."""
    if host.tokenizer.chat_template is None:
        why = "this model has no chat template, so it can't be asked for questions"
        return _sentences(document, room, settings.seed, Written(), why)
    wanted = asks(passages, max(TRIAL_QUESTIONS, ATTEMPTS_PER_ITEM * room), settings.seed)
    trial, written = _remembered(host, cache), Written()
    when = " when it was tested" if trial else ""
    if trial is None:
        first, wanted = wanted[:TRIAL_QUESTIONS], wanted[TRIAL_QUESTIONS:]
        stage = "testing whether this model can write questions"
        written = yield from write_items(host, first, len(first), stage, known=known)
        trial = Trial(len(written.kept), len(first))
        if len(passages) >= _FAIR_PASSAGES:
            _remember(host, cache, trial)
    why = f"this model wrote {counted(trial.usable, 'usable question')} of {trial.written}{when}"
    if not passages:
        why = "the document has no passage to ask about"
    if trial.passed:
        left = room - len(written.kept)
        asked = [*known, *(item.prompt for item in written.kept)]
        written += yield from write_items(host, wanted, left, "writing questions", known=asked)
        if written.kept:
            kept = Written(written.kept[:room], written.rejected)
            return kept, f"{why}, so questions that it writes are studied"
        why = f"{why}, but none about this document"
    return _sentences(document, room, settings.seed, written, why)


def _sentences(
    document: Document, room: int, seed: int, written: Written, why: str
) -> tuple[Written, str]:
    """Cloze items instead of what the model wrote, which is all shown as left aside."""
    aside = tuple((item, "sentences of the document are studied instead") for item in written.kept)
    rejected = aside + written.rejected
    items = cloze_items(document.text, room, seed)
    if not items:
        return Written((), rejected), f"{why}, and the document has no sentence fit to be continued"
    return Written(items, rejected), f"{why}, so the document's own sentences are studied"


def _remembered(host: ModelHost, cache: Path | None) -> Trial | None:
    """The outcome of an earlier test of this model, or None if none can be read."""
    if cache is None:
        return None
    try:
        row = json.loads(_file(host, cache).read_text(encoding="utf-8"))
        trial = Trial(int(row["usable"]), int(row["written"]))
        known = row["format"] == _TRIAL_FORMAT and 0 <= trial.usable <= trial.written
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return trial if known and trial.written else None


def _remember(host: ModelHost, cache: Path | None, trial: Trial) -> None:
    if cache is None:
        return
    row = {"format": _TRIAL_FORMAT, "usable": trial.usable, "written": trial.written}
    try:
        write_atomically(_file(host, cache), json.dumps(row) + "\n")
    except EngineError as error:
        log.warning("this model will be tested for questions again: %s", error)


def _file(host: ModelHost, cache: Path) -> Path:
    return cache / f"study-{host.fingerprint}.json"
