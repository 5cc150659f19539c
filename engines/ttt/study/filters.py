"""Which of the questions that a model wrote are fit to study by, and why others are not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engines.decoding import counted
from engines.protocol import StudyItem
from engines.words import informative, names_and_figures, shared, similarity, words

if TYPE_CHECKING:
    from engines.host import ModelHost

QUESTION_WORDS = range(5, 41)
ANSWER_WORDS = range(1, 61)
DUPLICATE = 0.8  # Jaccard similarity from which on a question was asked before
QUESTION_SHARED = 0.34  # least share of the question's words that the passage has too
ANSWER_SHARED = 0.6  # likewise of the answer's, where the question's words count as had
MARGIN = 0.3  # nats per token by which the passage must make the answer likelier

_ABOUT_TEXT = re.compile(
    r"\b(text|passage|article|author|paragraph|document|excerpt|narrator|writer|sentence)s?\b", re.I
)
_ADDRESS = re.compile(r"\b(I|me|my|you|your)\b")
_REFUSAL = re.compile(
    r"\b(as an ai|i(?:'m| am) sorry|i do(?:n't| not) know|i can(?:'t|not| not)|unknown|"
    r"(?:not|n't|never) (?:mention|specif|provid|stat|say|give|contain|clear)\w*|"
    r"no (?:information|mention))\b",
    re.I,
)


def question_fault(question: str, passage: str, earlier: Sequence[str] = ()) -> str | None:
    """Why ``question`` can't be used, or None; ``earlier`` are questions there are already."""
    if not question.endswith("?"):
        return "it is not a question"
    if (fault := _length_fault("it", len(words(question)), QUESTION_WORDS)) is not None:
        return fault
    if _speaks_of_text(question, passage):
        return "it asks about the text itself, which nobody who asks later will see"
    if _ADDRESS.search(question) and not _ADDRESS.search(passage):
        return "it speaks of the one who asks or answers"
    if any(similarity(question, other) >= DUPLICATE for other in earlier):
        return "it was asked before"
    return _foreign("it", question, passage, passage, QUESTION_SHARED)


def answer_fault(item: StudyItem) -> str | None:
    """Why the answer's form rules ``item`` out, or None."""
    if not words(item.answer):
        return "the model gave no answer"
    if (fault := _length_fault("the answer", len(words(item.answer)), ANSWER_WORDS)) is not None:
        return fault
    if _REFUSAL.search(item.answer):
        return "the model could not answer it from the passage"
    if informative(item.answer) <= informative(item.prompt):
        return "the answer only repeats the question"
    if not informative(item.answer) & informative(item.passage):
        return "the answer shares no word with the passage that says something"
    known = f"{item.passage} {item.prompt}"
    return _foreign("the answer", item.answer, item.passage, known, ANSWER_SHARED)


def support_fault(host: ModelHost, item: StudyItem) -> str | None:
    """Why the model's own probabilities rule ``item`` out, or None.

    An answer that is as likely without the passage does not rest on it.
    """
    # Those who only look at the form of a question need no torch, which reading does.
    from engines.ttt.study.reading import answer_ids, asked

    answer = answer_ids(host, item)
    seen = host.negative_log_likelihood(asked(host, item, with_context=True), answer)
    unseen = host.negative_log_likelihood(asked(host, item, with_context=False), answer)
    if unseen - seen >= MARGIN:
        return None
    return (
        f"the passage hardly makes the answer likelier ({seen:.2f} nats a token with it, "
        f"{unseen:.2f} without)"
    )


def _length_fault(what: str, length: int, allowed: range) -> str | None:
    if length < allowed.start:
        return f"{what} has only {counted(length, 'word')}"
    if length >= allowed.stop:
        return f"{what} has {length} words, more than {allowed.stop - 1}"
    return None


def _foreign(what: str, text: str, passage: str, known: str, least: float) -> str | None:
    """Why ``text`` does not come from the passage, or None: small models make things up."""
    if shared(text, known) < least:
        return f"{what} shares too few words with the passage"
    listed = set(words(known))
    made_up = [name for name in names_and_figures(text) if name not in listed]
    return f"{what} speaks of “{made_up[0]}”, which the passage does not" if made_up else None


def _speaks_of_text(question: str, passage: str) -> bool:
    """A passage that itself speaks of an author or a document may be asked about them."""
    spoken = {found.group(1).lower() for found in _ABOUT_TEXT.finditer(question)}
    return bool(spoken - {found.group(1).lower() for found in _ABOUT_TEXT.finditer(passage)})
