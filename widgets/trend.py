"""A curve of one measured value with its number: loss, α, held-out loss, answers kept."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import isfinite
from typing import Literal

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from widgets.plain_text import padded

Point = tuple[float, float]
Tone = Literal["live", "learned", "risk"]
MAX_POINTS = 240
_BLOCKS = " ▁▂▃▄▅▆▇█"
_STYLES: dict[str, str] = {"live": "$accent", "learned": "$success", "risk": "$warning"}
_BELOW_EDGE = "45%"
_LABEL_WIDTH = 9
_NOW_WIDTH = 6
_TAIL_WIDTH = 20
_GAP = "  "
_MIN_CHART_WIDTH = 4


def bounded(points: Sequence[Point], limit: int = MAX_POINTS) -> tuple[Point, ...]:
    """The finite points; where there are more than ``limit``, every other older one goes.

    The first and the latest point always stay, so the curve keeps its ends.
    """
    kept = [(x, y) for x, y in points if isfinite(x) and isfinite(y)]
    while len(kept) > limit:
        kept = [*kept[:-1:2], kept[-1]]
    return tuple(kept)


class Trend(Widget):
    """One value over the course of the work, drawn in the lines the style gives it.

    A point is ``(share of the work done, value)``: the curve grows to the right as the
    progress bar does, so both are read together.  ``low`` and ``high`` are the values at
    the bottom and the top; a value outside widens them.  The ``tail`` stands at the right:
    in one line in ``tail_width`` cells, in several broken where it has two spaces.  Trends
    of one kind and one ``tail_width`` have their curves below one another.
    """

    DEFAULT_CSS = "Trend { height: 1; width: 1fr; }"

    points: reactive[tuple[Point, ...]] = reactive(())
    now: reactive[str] = reactive("")
    tail: reactive[str] = reactive("")
    tone: reactive[Tone] = reactive("live")
    low: reactive[float] = reactive(0.0)
    high: reactive[float] = reactive(1.0)
    tail_width: reactive[int] = reactive(_TAIL_WIDTH)

    def __init__(self, label: str, *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self.label = label

    def validate_points(self, points: Sequence[Point]) -> tuple[Point, ...]:
        """Drop what can't be drawn and bound the history."""
        return bounded(points)

    def render(self) -> Content:
        """Draw label, number, curve and tail in the size there is."""
        width, height = self.content_size
        tail_width = self.tail_width if height <= 1 else _TAIL_WIDTH
        room = width - _LABEL_WIDTH - _NOW_WIDTH - tail_width - 2 * len(_GAP)
        if room < _MIN_CHART_WIDTH:
            tail = Content.styled(self.tail, self._tail_style())
            return Content.assemble(self._head(), _GAP, tail)
        tails = [self.tail] if height <= 1 else self.tail.split(_GAP)
        lines = [
            self._line(row, tails[number] if number < len(tails) else "", number, tail_width)
            for number, row in enumerate(self._chart(room, max(height, 1)))
        ]
        return Content("\n").join(lines)

    def _line(self, row: Content, tail: str, number: int, tail_width: int) -> Content:
        """One line: label and number in the first, part of the curve, part of the tail."""
        head = self._head() if number == 0 else Content(" " * (_LABEL_WIDTH + _NOW_WIDTH))
        end = Content.styled(padded(tail, tail_width), self._tail_style())
        return Content.assemble(head, _GAP, row, _GAP, end)

    def _head(self) -> Content:
        return Content.assemble(
            (padded(self.label, _LABEL_WIDTH), "$foreground 70%"), (f"{self.now:>6}", "bold")
        )

    def _tail_style(self) -> str:
        return _STYLES["risk"] if self.tone == "risk" else "$foreground 70%"

    def _chart(self, width: int, height: int) -> list[Content]:
        # In several lines the top eighth stays free, so that a curve above never touches.
        levels = self._levels(width, height * 8 - (height > 1))
        style = _STYLES[self.tone]
        rows = [_row(levels, (height - 1 - row) * 8, style) for row in range(height)]
        return [row.pad_right(width - row.cell_length) for row in rows]

    def _levels(self, width: int, steps: int) -> list[int]:
        """The height of each column in eighths of a line; columns not yet reached are absent."""
        if not self.points:
            return []
        low = min([self.low, *(y for _, y in self.points)])
        high = max([self.high, *(y for _, y in self.points)])
        span = (high - low) or 1.0
        return [
            max(1, round((value - low) / span * steps)) for value in _columns(self.points, width)
        ]


def _row(levels: Sequence[int], floor: int, style: str) -> Content:
    """One line of the curve: its edge bright, what lies below the edge faint."""
    row = Content()
    for is_edge, group in groupby(levels, key=lambda level: level <= floor + 8):
        cells = "".join(_BLOCKS[min(max(level - floor, 0), 8)] for level in group)
        row = row.append_text(cells, style if is_edge else f"{style} {_BELOW_EDGE}")
    return row


def _columns(points: Sequence[Point], width: int) -> list[float]:
    """The value shown in each column: the latest measured up to its right edge."""
    reached = min(max(round(points[-1][0] * width), 1), width)
    values: list[float] = []
    index = 0
    for column in range(reached):
        edge = (column + 1) / width
        while index + 1 < len(points) and points[index + 1][0] <= edge + 1e-9:
            index += 1
        values.append(points[index][1])
    values[-1] = points[-1][1]
    return values
