"""The rows of ``doc2lora.py``: which there are, and how each is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from doc2lora_asking import Asking, Learned, Unrelated
from doc2lora_cost import CASES, in_own_process
from doc2lora_data import Needle, drawn, name_of, needles, paragraphs, questions_left
from doc2lora_distil import DistilSettings, distilled
from doc2lora_rows import Row
from evaluation import Learnable

from engines.doc2lora.applied import applied
from engines.doc2lora.engine import Doc2LoraEngine

PARTS = ("qa", "needle", "unrelated", "cost")
LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
CHUNKS = (1, 2, 4, 8, 16)
_BY_NETWORK = frozenset({"lora", "other", "learn"})


@dataclass(frozen=True)
class Settings:
    """Counts are of questions (``questions``, ``arc``, ``trivia``), of paragraphs (``distil``,
    ``unrelated``) or of needles for each length, ``ceiling`` of them also asked in context."""

    parts: tuple[str, ...] = PARTS
    questions: int = 300
    distil: int = 10
    needles: int = 43
    ceiling: int = 10
    unrelated: int = 30
    arc: int = 60
    trivia: int = 60
    repeats: int = 3
    seed: int = 0
    new_tokens: int = 24
    steps: int = DistilSettings.steps
    rate: float = DistilSettings.rate
    answers: Literal["generated", "gold"] = "generated"
    lengths: tuple[int, ...] = LENGTHS
    chunks: tuple[int, ...] = CHUNKS
    data: Path | None = None
    changed: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """Rows that are measured together: their names, and what measures them in that order."""

    keys: tuple[Row, ...]
    measure: Callable[[], list[Row]]


class Bench:
    """What there is to measure with one engine.

    ``options`` start ``script`` as a child with the same model and hypernetwork.
    """

    def __init__(
        self, engine: Doc2LoraEngine, settings: Settings, script: Path, options: Sequence[str] = ()
    ) -> None:
        self.host = engine.host
        self.origin = engine._maker.origin
        self._engine, self._s = engine, settings
        self._script, self._options = script, list(options)
        self._learned = Learned(engine)

    def jobs(self, part: str) -> Iterator[Job]:
        """The jobs of a part; whoever iterates measures each before the next."""
        by_part = {
            "qa": self._qa, "needle": self._needle, "unrelated": self._unrelated,
            "cost": self._cost,
        }  # fmt: skip
        return by_part[part]()

    def _key(self, part: str, condition: str, item: str, **settings: Any) -> Row:
        by_network = condition in _BY_NETWORK
        return {
            "part": part,
            "condition": condition,
            "item": item,
            "model": self.host.name,
            "precision": self.host.dtype,
            "device": self.host.device.partition(":")[0],
            "hypernetwork": self.origin.identity if by_network else None,
            "settings": settings | ({"engine": self._s.changed} if by_network else {}),
        }

    # Questions on paragraphs

    @cached_property
    def _all(self) -> list[Learnable]:
        return paragraphs(self._s.data)

    @cached_property
    def _drawn(self) -> list[Learnable]:
        return drawn(self._all, self._s.questions, self._s.seed)

    def _qa(self) -> Iterator[Job]:
        others = (one for one in self._drawn if questions_left(self._all, one))
        slow = {one.document.id for one, _ in zip(others, range(self._s.distil))}  # noqa: B905
        for n, one in enumerate(self._drawn):
            before = self._drawn[n - 1]  # the last, for the first
            yield from self._about(one, before, distil=one.document.id in slow)

    def _about(self, one: Learnable, before: Learnable, *, distil: bool) -> Iterator[Job]:
        new_tokens = self._s.new_tokens

        @cache
        def asking() -> Asking:
            return Asking(self.host, one.items, new_tokens=new_tokens)

        def context() -> list[Row]:
            text = one.document.text
            return Asking(self.host, one.items, text=text, new_tokens=new_tokens).measure()

        yield self._asked("closed", one, lambda: asking().measure())
        yield self._asked("lora", one, lambda: self._with(one, asking()))
        if before is not one:
            about = before.document.id
            yield self._asked("other", one, lambda: self._with(before, asking()), learned=about)
        yield self._asked("context", one, context)
        if distil:
            s = DistilSettings(
                self._s.steps, self._s.rate, new_tokens, self._s.answers, self._s.seed
            )
            rank = self._learned.rank(one.document)
            more = asdict(s) | {"rank": rank}
            measure = lambda: self._distilled(one, asking(), rank, s)  # noqa: E731
            yield self._asked("distilled", one, measure, **more)

    def _asked(
        self, condition: str, one: Learnable, measure: Callable[[], list[Row]], **more: Any
    ) -> Job:
        document = one.document.id
        settings = {"new_tokens": self._s.new_tokens} | more
        keys = tuple(
            self._key("qa", condition, f"{document} {name_of(item.question)}", **settings)
            for item in one.items
        )
        beside = {"document": document, "title": one.document.title, "seed": self._s.seed}
        return Job(keys, lambda: [row | beside for row in measure()])

    def _with(self, one: Learnable, asking: Asking) -> list[Row]:
        found = asking.measure(self._learned.only(one.document))
        return [row | self._learned.took(one.document) for row in found]

    def _distilled(self, one: Learnable, asking: Asking, rank: int, s: DistilSettings) -> list[Row]:
        left = questions_left(self._all, one)
        made = distilled(self.host, one.document.text, left, rank, s)

        def block() -> AbstractContextManager[None]:
            return applied(self.host.model, made.lora)

        took = {
            "taught": made.taught,
            "learn_seconds": made.teacher_seconds + made.train_seconds,
            "teacher_seconds": made.teacher_seconds,
            "first_loss": made.first_loss,
            "last_loss": made.last_loss,
        }
        return [row | took for row in asking.measure(block)]

    # Needles

    def encode(self, text: str) -> list[int]:
        """Token ids of a text by itself."""
        found = self.host.tokenizer(text, add_special_tokens=False, verbose=False)
        ids: list[int] = found["input_ids"]
        return ids

    def _needle(self) -> Iterator[Job]:
        s = self._s
        decode = self.host.tokenizer.decode
        for needle in needles(s.lengths, s.needles, self.encode, decode, s.seed):
            if needle.length == s.lengths[0]:  # without its document there is but the question
                yield self._of_needle("closed", needle)
            yield self._of_needle("lora", needle)
            if needle.number < s.ceiling:
                yield self._of_needle("context", needle)

    def _of_needle(self, condition: str, needle: Needle) -> Job:
        document, item = needle.document, needle.item
        new_tokens = self._s.new_tokens
        beside: Row = {
            "needle": needle.number,
            "length": 0 if condition == "closed" else needle.length,
            "tokens": 0 if condition == "closed" else len(self.encode(document.text)),
            "depth": needle.depth,
            "question": item.question,
            "gold": item.answers[0],
            "seed": self._s.seed,
        }

        def measure() -> list[Row]:
            text = document.text if condition == "context" else ""
            asking = Asking(self.host, [item], text=text, new_tokens=new_tokens)
            one = Learnable(document, (item,))
            found = self._with(one, asking) if condition == "lora" else asking.measure()
            return [row | beside for row in found]

        name = document.id if condition != "closed" else name_of(item.question + item.answers[0])
        return Job((self._key("needle", condition, name, new_tokens=new_tokens),), measure)

    # What has to stay, and what it costs

    def _unrelated(self) -> Iterator[Job]:
        s = self._s
        asked = {"arc": s.arc, "trivia": s.trivia, "new_tokens": s.new_tokens}

        @cache
        def rest() -> Unrelated:
            return Unrelated(self.host, arc=s.arc, trivia=s.trivia, new_tokens=s.new_tokens)

        before = self._key("unrelated", "closed", "before", **asked)
        yield Job((before,), lambda: [rest().measure()])
        for one in self._drawn[: s.unrelated]:
            yield self._disturbed(one, rest, asked)

    def _disturbed(self, one: Learnable, rest: Callable[[], Unrelated], asked: Row) -> Job:
        def measure() -> list[Row]:
            figures = rest().measure(self._learned.only(one.document))
            took = self._learned.took(one.document)
            return [figures | took | {"document": one.document.id, "seed": self._s.seed}]

        return Job((self._key("unrelated", "lora", one.document.id, **asked),), measure)

    def _cost(self) -> Iterator[Job]:
        size = self._engine.settings.chunk_tokens or self._engine._maker.config.chunk_tokens
        for repeat in range(self._s.repeats):
            for chunks in self._s.chunks:
                for what in CASES:
                    yield self._case(what, chunks, size, repeat)

    def _case(self, what: str, chunks: int, size: int, repeat: int) -> Job:
        def measure() -> list[Row]:
            found = in_own_process(self._script, self._options, what, chunks)
            return [found | {"repeat": repeat}]

        item = f"{chunks} chunks of {size}, {repeat}"
        return Job((self._key("cost", what, item, threads=torch.get_num_threads()),), measure)
