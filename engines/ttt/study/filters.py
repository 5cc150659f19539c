"""Which of the questions that a model wrote are fit to study by, and why others are not."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engines.decoding import counted
from engines.host import ModelHost
from engines.protocol import StudyItem
from engines.ttt.study.reading import answer_ids, asked
from engines.ttt.study.words import informative, similarity, words

QUESTION_WORDS = range(5, 41)
ANSWER_WORDS = range(1, 61)
DUPLICATE = 0.8  # Jaccard similarity from which on a question was asked before
MARGIN = 0.3  # nats per token by which the passage must make the answer likelier

_ABOUT_TEXT = re.compile(
    r"\b(text|passage|article|author|paragraph|document|excerpt|narrator|writer|sentence)s?\b", re.I
)
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
    if not informative(question) & informative(passage):
        return "it shares no word with the passage that says something"
    repeated = any(similarity(question, other) >= DUPLICATE for other in earlier)
    return "it was asked before" if repeated else None


def answer_fault(item: StudyItem) -> str | None:
    """Why the answer's form rules ``item`` out, or None."""
    if not words(item.answer):
        return "the model gave no answer"
    if (fault := _length_fault("the answer", len(words(item.answer)), ANSWER_WORDS)) is not None:
        return fault
    if _REFUSAL.search(item.answer):
        return "the model could not answer it from the passage"
    said = informative(item.answer)
    if not said & informative(item.passage):
        return "the answer shares no word with the passage that says something"
    if said <= informative(item.prompt):
        return "the answer only repeats the question"
    return None


def support_fault(host: ModelHost, item: StudyItem) -> str | None:
    """Why the model's own probabilities rule ``item`` out, or None.

    An answer that is as likely without the passage does not rest on it.
    """
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


def _speaks_of_text(question: str, passage: str) -> bool:
    """A passage that itself speaks of an author or a document may be asked about them."""
    spoken = {found.group(1).lower() for found in _ABOUT_TEXT.finditer(question)}
    return bool(spoken - {found.group(1).lower() for found in _ABOUT_TEXT.finditer(passage)})
