"""The texts and questions that ``doc2lora.py`` measures with; none was trained on.

Paragraphs are those of half of SQuAD 2.0's development set: ``data/squad_store.jsonl``, or
the file that it was made from.  Needles are made-up facts in filler from the engines' own
general text, worded as in training, about other names and numbers.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation import DATA, Item, Learnable
from make_texts import EVALUATION_QUESTIONS
from make_texts import rows as gzipped_rows

from engines.doc2lora.training.examples import sentences
from engines.doc2lora.training.needles import needles as made_up
from engines.protocol import Document
from engines.texts import calibration_passages

STORE = DATA / "squad_store.jsonl"
_UNTRAINED_SEED = 7_000_000  # far from the seeds that trainings use

Encode = Callable[[str], Sequence[int]]
Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True)
class Needle:
    """A fact in about ``length`` tokens; ``depth`` (0..1) is how far down it stands."""

    number: int
    length: int
    depth: float
    document: Document
    item: Item


def paragraphs(data: Path | None = None) -> list[Learnable]:
    """Every paragraph with its answerable questions; ``data`` is the folder of the source file."""
    found: dict[str, tuple[str, dict[str, Item]]] = {}
    for title, text, question, answers in _triples(data):
        items = found.setdefault(text, (title, {}))[1]
        if answers:
            items.setdefault(question, Item(question, tuple(dict.fromkeys(answers)), ""))
    return [
        Learnable(as_file(text, title), tuple(items.values()))
        for text, (title, items) in found.items()
    ]


def _triples(data: Path | None) -> Iterator[tuple[str, str, str, list[str]]]:
    if data is not None:
        for row in gzipped_rows(data / EVALUATION_QUESTIONS):
            yield row["title"], row["context"], row["question"], row["answers"]
        return
    for line in STORE.read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        for one in row["questions"]:
            yield row["title"], row["context"], one["question"], one["answers"]


def as_file(text: str, title: str) -> Document:
    """A document that the engine takes for a file: it would refuse a short text without a
    path that begins like a request, as the description of a task."""
    return Document.from_text(text, title, path=f"{title}.txt")


def drawn(listed: Sequence[Learnable], number: int, seed: int) -> list[Learnable]:
    """``number`` questions, drawn by ``seed``, under their paragraphs, in the order of drawing.

    The first questions are the same whatever the number is.
    """
    every = [(one.document.id, item) for one in listed for item in one.items]
    if not 1 <= number <= len(every):
        raise SystemExit(f"There are {len(every)} questions: choose --questions from 1 to that.")
    random.Random(seed).shuffle(every)
    asked: dict[str, list[Item]] = {}
    for document_id, item in every[:number]:
        asked.setdefault(document_id, []).append(item)
    documents = {one.document.id: one.document for one in listed}
    return [Learnable(documents[name], tuple(items)) for name, items in asked.items()]


def questions_left(listed: Sequence[Learnable], one: Learnable) -> list[Item]:
    """The questions on a drawn paragraph that aren't asked to measure."""
    asked = {item.question for item in one.items}
    every = next(other for other in listed if other.document.id == one.document.id)
    return [item for item in every.items if item.question not in asked]


def needles(
    lengths: Sequence[int], number: int, encode: Encode, decode: Decode, seed: int
) -> Iterator[Needle]:
    """``number`` needles of every length; needle n has the same fact at every length."""
    every = (part for passage in calibration_passages() for part in sentences(passage))
    filler = [part for part in every if "?" not in part and ":" not in part]  # nothing asked
    facts = made_up(
        number,
        (),
        lambda text: len(encode(text)),
        length=(1, 1),
        seed=_UNTRAINED_SEED + seed,
    )
    for n, fact in enumerate(facts):
        item = Item(fact.asked[0].question, fact.asked[0].answers, "")
        for length in lengths:
            chance = random.Random(f"{seed} {n} {length}")
            text, depth = _hidden(fact.text, filler, length, encode, decode, chance)
            yield Needle(n, length, depth, as_file(text, f"needle {n} in {length}"), item)


def _hidden(
    fact: str,
    filler: Sequence[str],
    length: int,
    encode: Encode,
    decode: Decode,
    chance: random.Random,
) -> tuple[str, float]:
    room = length - len(encode(fact))
    parts: list[str] = []
    for part in chance.sample(filler, len(filler)):
        ids = encode(" " + part)
        if room <= 0:
            break
        parts.append(part if len(ids) <= room else decode(ids[:room]).strip())
        room -= len(ids)
    at = chance.randint(0, len(parts))
    return " ".join([*parts[:at], fact, *parts[at:]]), at / max(1, len(parts))


def long_text(tokens: int, encode: Encode, decode: Decode) -> str:
    """General text of ``tokens`` tokens or a few less: put together, texts encode otherwise."""
    ids: list[int] = []
    for passage in calibration_passages():
        ids += encode(passage + "\n\n")
        if len(ids) >= tokens:
            break
    cut = tokens
    while len(encode(text := decode(ids[:cut]))) > tokens:
        cut -= 1
    return text


def name_of(text: str) -> str:
    """12 hex digits that name a text in a row."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
