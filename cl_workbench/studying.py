"""Preparing study items on the engine thread, and a person's changes to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from engines.abilities import Studies
from engines.documents import ReadOptions, read_file
from engines.protocol import Document, Engine, EngineError, Progress, StudyItem, StudyPlan

TAKEN_OUT = "Taken out by you."


def prepare(
    engine: Engine, path: Path, options: ReadOptions | None
) -> Iterator[Document | Progress | StudyPlan]:
    """The document of the file at ``path``, then the steps of its study, then the plan.

    Raises:
        DocumentError: if the file can't be read.
        EngineError: if the engine prepares no items.
    """
    if not isinstance(engine, Studies):
        raise EngineError(f"The engine {engine.name} prepares no study items; l learns the text.")
    document = read_file(path, options)
    yield document
    yield from engine.study(document)


@dataclass(frozen=True, slots=True)
class StudyDraft:
    """The items as they stand after a person's changes; every change makes a new draft.

    Indexes count from 0; ``edited`` is true once anything differs from what was prepared.
    """

    items: tuple[StudyItem, ...] = ()
    rejected: tuple[tuple[StudyItem, str], ...] = ()
    edited: bool = False

    @classmethod
    def of(cls, plan: StudyPlan) -> StudyDraft:
        """The draft before any change."""
        return cls(plan.items, plan.rejected)

    def take_out(self, index: int) -> StudyDraft:
        """Put an item among the rejected ones, first in line to be used again."""
        kept = (*self.items[:index], *self.items[index + 1 :])
        return StudyDraft(kept, ((self.items[index], TAKEN_OUT), *self.rejected), edited=True)

    def use(self, index: int) -> StudyDraft:
        """Put a rejected item at the end of those used."""
        kept = (*self.rejected[:index], *self.rejected[index + 1 :])
        return StudyDraft((*self.items, self.rejected[index][0]), kept, edited=True)

    def change(self, index: int, prompt: str, answer: str) -> StudyDraft:
        """Give an item another prompt or answer."""
        item = replace(self.items[index], prompt=prompt, answer=answer)
        if item == self.items[index]:
            return self
        return replace(
            self, items=(*self.items[:index], item, *self.items[index + 1 :]), edited=True
        )

    def add(self, prompt: str, answer: str) -> StudyDraft:
        """Put an item of a person's own at the end."""
        return replace(self, items=(*self.items, StudyItem("given", prompt, answer)), edited=True)
