"""What a method knows of a document, and what it still knows of everything else.

``Taught`` measures one document: its NLL, cloze recall, F1 and gold-answer NLL.
``Kept`` measures the rest: held-out text, ARC-easy and trivia questions.  Both are
given a ``block`` that makes the model act as learned, and compare like with like
whatever method is inside: the engine, LoRA or full finetuning.

Definitions:
    document NLL: mean nats per token over the whole text, 512 tokens of context.
    cloze recall: share of sentence beginnings that are greedily continued by the answer.
    F1: SQuAD's token F1 of the greedy answer through the chat template, best gold.
    answer NLL: mean over questions of the first gold's nats per token, after the same prompt.
    ARC-easy: share of questions whose right choice has the highest mean log-likelihood per
        token (length-normalised), after the question through the chat template.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from answering import contains, greedy, token_f1
from scoring import Asked, Block, Sheet, mean_of, windows

from engines.host import ModelHost
from engines.protocol import Document, Turn
from engines.texts import held_out_passages

DATA = Path(__file__).parent / "data"
ANSWER_TOKENS = 16
HELD_OUT_TOKENS = 256  # of each passage
IN_FEW_WORDS = "Answer the question in a few words."


@dataclass(frozen=True)
class Item:
    """A question about a document; ``lead`` is empty where it gives no cloze item."""

    question: str
    answers: tuple[str, ...]
    lead: str


@dataclass(frozen=True)
class Learnable:
    """A document with its questions."""

    document: Document
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Choice:
    question: str
    choices: tuple[str, ...]
    gold: int


def learnables(path: Path = DATA / "truth.jsonl") -> list[Learnable]:
    """The documents of ``truth.jsonl``, with the questions left out of the document itself."""
    found = []
    for row in _rows(path):
        items = [Item(i["question"], tuple(i["answers"]), i["lead"]) for i in row["items"]]
        found.append(Learnable(Document.from_text(row["text"], row["title"]), tuple(items)))
    return found


def choice_questions(path: Path = DATA / "retention.jsonl") -> list[Choice]:
    return [
        Choice(row["question"], tuple(row["choices"]), row["gold"])
        for row in _rows(path)
        if row["kind"] == "choice"
    ]


def short_questions(path: Path = DATA / "retention.jsonl") -> list[Item]:
    return [
        Item(row["question"], tuple(row["answers"]), "")
        for row in _rows(path)
        if row["kind"] == "short"
    ]


def question_turns(question: str, text: str = "") -> list[Turn]:
    """The one prompt that questions are asked by, with ``text`` in view where it is given."""
    shown = f"{text}\n\n" if text else ""
    return [Turn("user", f"{shown}{IN_FEW_WORDS}\n\nQuestion: {question}")]


class Taught:
    """Measures one document.  ``first`` is the lowest layer that the method changes."""

    def __init__(self, host: ModelHost, learnable: Learnable, first: int = 0) -> None:
        self._host = host
        self._learnable = learnable
        self.items = learnable.items
        self.cloze = [item for item in learnable.items if item.lead]
        self._text = Sheet(host, windows(host.encode(learnable.document.text)), first)
        self._answers = Sheet(host, asked_answers(host, self.items), first)

    def measure(self, block: Block = nullcontext) -> dict[str, float]:
        """Every figure, closed book."""
        return {
            "nll": self.nll(block),
            "cloze": self.cloze_recall(block),
            "answer_nll": answer_nll(self._answers, block),
            **answered(self._host, self.items, block),
        }

    def in_context(self) -> dict[str, float]:
        """What the base model answers with the whole text in view: the ceiling."""
        text = self._learnable.document.text
        sheet = Sheet(self._host, asked_answers(self._host, self.items, text))
        return {"answer_nll": answer_nll(sheet), **answered(self._host, self.items, text=text)}

    def nll(self, block: Block = nullcontext) -> float:
        """Mean nats per token of the document."""
        return mean_of(self._text.scores(block))

    def cloze_recall(self, block: Block = nullcontext) -> float:
        """Share of the cloze items whose answer the model writes next."""
        return cloze_recall(self._host, self.cloze, block)


class Kept:
    """Measures what is no part of any document.

    ``arc`` and ``trivia`` are how many questions are asked.  Trivia are scored by their gold
    answer's NLL; with ``answering`` they are also answered, which says something of models
    that know some (the embedded one answers about none).
    """

    def __init__(
        self,
        host: ModelHost,
        first: int = 0,
        *,
        arc: int = 60,
        trivia: int = 60,
        answering: bool = False,
    ) -> None:
        self._host = host
        self._answering = answering
        self._choices = choice_questions()[:arc]
        self._short = short_questions()[:trivia]
        passages = [host.encode(text)[:HELD_OUT_TOKENS] for text in held_out_passages()]
        self._text = Sheet(host, [Asked(ids[:1], (ids[1:],)) for ids in passages], first)
        self._arc = Sheet(host, asked_choices(host, self._choices), first)
        self._trivia = Sheet(host, asked_answers(host, self._short), first)

    def measure(self, block: Block = nullcontext) -> dict[str, float]:
        """Every figure."""
        found = {"held_out_nll": self.held_out(block)}
        if self._choices:
            found["arc"] = choice_accuracy(self._arc, self._choices, block)
        if self._short:
            found["trivia_nll"] = answer_nll(self._trivia, block)
        if self._short and self._answering:
            said = answered(self._host, self._short, block)
            found |= {f"trivia_{name}": value for name, value in said.items()}
        return found

    def held_out(self, block: Block = nullcontext) -> float:
        """Mean nats per token of the held-out passages."""
        return mean_of(self._text.scores(block))


def asked_answers(host: ModelHost, items: Sequence[Item], text: str = "") -> list[Asked]:
    """Each question with its first gold answer behind it."""
    return [
        Asked(host.prompt(question_turns(i.question, text)), (_plain(host, i.answers[0]),))
        for i in items
    ]


def asked_choices(host: ModelHost, questions: Sequence[Choice]) -> list[Asked]:
    """Each question with all its choices behind it."""
    return [
        Asked(host.prompt(question_turns(q.question)), tuple(_plain(host, c) for c in q.choices))
        for q in questions
    ]


def answer_nll(sheet: Sheet, block: Block = nullcontext) -> float:
    """Mean over questions of the gold answer's nats per token."""
    return fmean(found[0].mean for found in sheet.scores(block))


def choice_accuracy(sheet: Sheet, questions: Sequence[Choice], block: Block = nullcontext) -> float:
    """Share of questions whose likeliest choice, by mean nats per token, is the right one."""
    right = 0
    for question, found in zip(questions, sheet.scores(block), strict=True):
        right += min(range(len(found)), key=lambda i: found[i].mean) == question.gold
    return right / len(questions)


def answered(
    host: ModelHost, items: Sequence[Item], block: Block = nullcontext, *, text: str = ""
) -> dict[str, float]:
    """Mean F1 and contains-rate of the greedy answers."""
    prompts = [host.prompt(question_turns(item.question, text)) for item in items]
    said = greedy(host, prompts, ANSWER_TOKENS, block)
    pairs = list(zip(said, [item.answers for item in items], strict=True))
    return {
        "f1": fmean(token_f1(*pair) for pair in pairs),
        "contains": fmean(contains(*pair) for pair in pairs),
    }


def cloze_recall(host: ModelHost, items: Sequence[Item], block: Block = nullcontext) -> float:
    """Share of ``items`` whose first answer the model writes next, greedily."""
    longest = max(len(_plain(host, " " + item.answers[0])) for item in items)
    said = greedy(host, [host.encode(item.lead) for item in items], longest + 2, block)
    return fmean(
        text.strip().lower().startswith(item.answers[0].lower())
        for text, item in zip(said, items, strict=True)
    )


def _plain(host: ModelHost, text: str) -> Any:
    """Token ids of a text that goes on from another, so without a start token."""
    ids = host.encode(text)
    start = host.start_token
    return ids[1:] if start is not None and len(ids) > 1 and int(ids[0]) == start else ids


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
