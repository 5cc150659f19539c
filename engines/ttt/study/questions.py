"""Questions about a passage that the model writes, and answers with the passage in view."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import gcd

from engines.host import ModelHost
from engines.protocol import Sampling, StudyItem, Turn
from engines.ttt.study.filters import answer_fault, question_fault, support_fault
from engines.ttt.study.paragraphs import chunks
from engines.ttt.study.reading import with_passage
from engines.ttt.study.steps import StudyStep, evenly
from engines.words import words

PASSAGE_TOKENS = 200
_PASSAGE_WORDS = 12  # a shorter passage leaves little to ask
_QUESTION_TOKENS = 56
_ANSWER_TOKENS = 64

_LABEL = re.compile(
    r"^[\W\d_]*(?:(?:here is|here's)[^:?]*:\s*)?(?:question\s*\d*\s*[:.]\s*)?", re.I
)
_ANSWER_LABEL = re.compile(r"^\s*(?:the\s+)?answer\s*:\s*", re.I)
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class QuestionKind:
    """One sort of question, and how the model is told to ask it."""

    name: str
    instruction: str


KINDS = (
    QuestionKind("fact", "Ask who, what, when, where or how many."),
    QuestionKind("reason", "Ask why or how something is done or came about."),
    QuestionKind("relation", "Ask how two things in it belong together or what follows from one."),
    QuestionKind("definition", "Ask what one thing in it is, or what it is known for."),
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to be written: about which passage, of which kind, by which chance."""

    passage: str
    kind: QuestionKind
    seed: int


@dataclass(frozen=True, slots=True)
class Written:
    """Items that the model wrote, and those of them that are not used with the reason."""

    kept: tuple[StudyItem, ...] = ()
    rejected: tuple[tuple[StudyItem, str], ...] = ()

    def __add__(self, other: Written) -> Written:
        return Written(self.kept + other.kept, self.rejected + other.rejected)


def question_passages(host: ModelHost, text: str) -> tuple[str, ...]:
    """The passages of ``text`` to ask about, of up to about ``PASSAGE_TOKENS`` tokens."""
    found = chunks(text, PASSAGE_TOKENS, lambda part: len(host.encode(part)))
    return tuple(passage for passage in found if len(words(passage)) >= _PASSAGE_WORDS)


def asks(passages: Sequence[str], count: int, seed: int) -> list[Ask]:
    """``count`` questions to write; the beginning of the list already spreads over the text.

    Every passage is asked about once before any is asked about again, then with the next
    kind of question; once all kinds are through, by another chance.
    """
    if not passages:
        return []
    rounds = -(-count // len(passages))
    order = _strewn(evenly(range(len(passages)), count))
    pairs = [
        (passages[p], KINDS[(n + r) % len(KINDS)])
        for r in range(rounds)
        for n, p in enumerate(order)
    ]
    return [Ask(passage, kind, seed + n) for n, (passage, kind) in enumerate(pairs[:count])]


def write_items(
    host: ModelHost,
    wanted: Sequence[Ask],
    limit: int,
    stage: str,
    *,
    known: Sequence[str] = (),
) -> Generator[StudyStep, None, Written]:
    """Write the ``wanted`` questions one by one until ``limit`` of them are usable.

    ``known`` are questions there are already; one like them is not used again.  The base
    model must be unchanged, so this must not run inside an engine's block.
    """
    kept: list[StudyItem] = []
    rejected: list[tuple[StudyItem, str]] = []
    for done, ask in enumerate(wanted):
        if len(kept) >= limit:
            break
        step = StudyStep(done, len(wanted), stage)
        yield step
        earlier = [*known, *(item.prompt for item in kept)]
        item, fault = yield from _write_one(host, ask, earlier, step)
        if fault is None:
            kept.append(item)
        else:
            rejected.append((item, fault))
    yield StudyStep(len(wanted), len(wanted), stage)
    return Written(tuple(kept), tuple(rejected))


def _write_one(
    host: ModelHost, ask: Ask, earlier: Sequence[str], step: StudyStep
) -> Generator[StudyStep, None, tuple[StudyItem, str | None]]:
    sampling = Sampling(_QUESTION_TOKENS, 0.7, top_p=0.95, repetition_penalty=1.0, seed=ask.seed)
    question = question_of((yield from _said(host, _request(ask), sampling, step)))
    item = StudyItem("question", question, "", ask.passage)
    fault = question_fault(question, ask.passage, earlier)
    if fault is not None:
        return item, fault
    greedy = Sampling(_ANSWER_TOKENS, repetition_penalty=1.0)
    request = with_passage(question, ask.passage)
    said = yield from _said(host, request, greedy, step)
    item = StudyItem("question", question, answer_of(said), ask.passage)
    if "\n" not in said.strip() and len(host.encode(said)) >= _ANSWER_TOKENS:
        return item, "the answer has no end"
    return item, answer_fault(item) or support_fault(host, item)


def _request(ask: Ask) -> str:
    return (
        f"{ask.passage}\n\nWrite one short question that the text above answers. "
        f"{ask.kind.instruction} Name the people, places and things that you ask about, so "
        "that the question can be understood without the text. Write only the question."
    )


def _said(
    host: ModelHost, request: str, sampling: Sampling, step: StudyStep
) -> Generator[StudyStep, None, str]:
    said = ""
    for piece in host.generate(host.prompt([Turn("user", request)]), sampling):
        said += piece.text
        yield step
    return said


def question_of(said: str) -> str:
    """The first question in what the model said, without labels and quotation marks."""
    lines = [line.strip() for line in _THOUGHT.sub("", said).splitlines() if line.strip()]
    line = next((line for line in lines if "?" in line), lines[0] if lines else "")
    whole = line[: line.index("?") + 1] if "?" in line else line
    return _LABEL.sub("", whole, count=1).strip(" \"'“”*_`")


def answer_of(said: str) -> str:
    """The first paragraph of what the model said, without a label."""
    text = _ANSWER_LABEL.sub("", _THOUGHT.sub("", said).strip(), count=1)
    return text.split("\n", 1)[0].strip()


def _strewn(items: Sequence[int]) -> list[int]:
    """``items`` in an order whose every beginning lies evenly over the whole."""
    size = len(items)
    stride = max(1, round(size * 0.618))
    while gcd(stride, size) != 1:
        stride += 1
    return [items[i * stride % size] for i in range(size)]
