"""What each gradient step learns from: a window of text, study items, general text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from engines.ttt.settings import TTTSettings
from engines.ttt.spans import Past, Recording, window_edges
from engines.ttt.upper import Recordings


@dataclass(frozen=True, slots=True)
class Window:
    """Positions ``start:end`` of a recording, and what the pass has of those before."""

    recording: Recording
    start: int
    end: int
    past: Past

    @property
    def opens(self) -> bool:
        """True for the first window of a recording: nothing is in ``past`` yet."""
        return self.start == self.recording.lead


@dataclass(frozen=True, slots=True)
class Batch:
    """One gradient step's material; each part may be missing."""

    window: Window | None
    study: tuple[Recording, ...] = ()
    retention: tuple[Recording, ...] = ()

    @property
    def tokens(self) -> int:
        """How many tokens of the document and its items are predicted."""
        text = self.window.end - self.window.start if self.window else 0
        return text + sum(one.new for one in self.study)

    @property
    def held_tokens(self) -> int:
        """How many tokens of general text are predicted."""
        return sum(one.new for one in self.retention)


class Batches:
    """Deals out a document, pass by pass, in an order drawn from the settings' seed.

    Windows of one segment follow each other, since each attends to those before it; their
    edges are moved a little with every pass.  Study items are spread over the pass.

    Args:
        text: the document, or None where only the items are learned from.
        study: recordings of the items, with their teacher.
        retention: recordings of general text, with the base model as their teacher.
        rehearsal: recordings of earlier documents, with the model as it was before this one
            as their teacher.
    """

    def __init__(
        self,
        text: Recordings | None,
        study: Sequence[Recording],
        retention: Sequence[Recording],
        rehearsal: Sequence[Recording],
        settings: TTTSettings,
    ) -> None:
        self._text = text
        self._study = study
        self._settings = settings
        self._chance = torch.Generator().manual_seed(settings.seed)
        share = settings.rehearsal if rehearsal else 0.0
        self._general = _Deck(retention, (1 - share) * settings.retention_tokens, self._shuffled)
        self._earlier = _Deck(rehearsal, share * settings.retention_tokens, self._shuffled)
        self.window = settings.mini_batch_size

    @property
    def steps(self) -> int:
        """Gradient steps in one pass: as many as text and items need, one of each in a step."""
        items = min(len(self._study), round(sum(one.new for one in self._study) / self.window))
        return max(1, items, self._windows_count())

    def _windows_count(self) -> int:
        if self._text is None:
            return 0
        return sum(len(window_edges(new, self.window)) for new in self._text.news)

    @property
    def tokens(self) -> int:
        """Predicted tokens of one pass, without general text."""
        text = self._text.tokens if self._text is not None else 0
        return text + sum(one.new for one in self._study)

    @property
    def held_tokens(self) -> int:
        """About how many tokens of general text one pass is held to."""
        return round(self.steps * (self._general.tokens + self._earlier.tokens))

    def one_pass(self) -> Iterator[Batch]:
        """The batches of the next pass."""
        count, windows = self.steps, self._windows_count()
        order = self._shuffled(len(self._study))
        text = self._windows()
        for number in range(count):
            group = order[len(order) * number // count : len(order) * (number + 1) // count]
            study = tuple(self._study[i] for i in group)
            comes = windows * (number + 1) // count > windows * number // count
            window = next(text) if comes else None
            yield Batch(window, study, (*self._general.deal(), *self._earlier.deal()))

    def _windows(self) -> Iterator[Window]:
        if self._text is None:
            return
        for i in self._shuffled(len(self._text)):
            recording = self._text[i]
            past = Past(recording.length)
            for start, end in self._moved(window_edges(recording.new, self.window)):
                yield Window(recording, recording.lead + start, recording.lead + end, past)

    def _moved(self, edges: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """The same number of windows with the inner edges moved by up to a quarter window."""
        inner = [end for _, end in edges[:-1]]
        reach = min(end - start for start, end in edges) // 4
        shifts = torch.randint(-reach, reach + 1, (len(inner),), generator=self._chance).tolist()
        moved = [edge + shift for edge, shift in zip(inner, shifts, strict=True)]
        return list(zip([edges[0][0], *moved], [*moved, edges[-1][1]], strict=True))

    def _shuffled(self, count: int) -> list[int]:
        order: list[int] = torch.randperm(count, generator=self._chance).tolist()
        return order


class _Deck:
    """Deals recordings of about ``tokens`` tokens in all, each once before any comes again.

    What is dealt too much one time is dealt less the next, so the mean is right.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        tokens: float,
        shuffled: Callable[[int], list[int]],
    ) -> None:
        self._recordings = recordings
        self._shuffled = shuffled
        self._order: list[int] = []
        self._owed = 0.0
        self.tokens = tokens if recordings else 0.0

    def deal(self) -> list[Recording]:
        """The next recordings."""
        self._owed += self.tokens
        dealt = []
        while self._owed > 0:
            self._order = self._order or self._shuffled(len(self._recordings))
            dealt.append(self._recordings[self._order.pop()])
            self._owed -= dealt[-1].new
        return dealt
