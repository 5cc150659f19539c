"""A curve of one measured value with its number: loss, α, held-out loss."""

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
_LEFT_WIDTH = 22


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
    the bottom and the top; a value outside widens them.  In one line the ``tail`` stands
    at the right; in more it stands under the number.
    """

    DEFAULT_CSS = "Trend { height: 1; width: 1fr; }"

    points: reactive[tuple[Point, ...]] = reactive(())
    now: reactive[str] = reactive("")
    tail: reactive[str] = reactive("")
    tone: reactive[Tone] = reactive("live")
    low: reactive[float] = reactive(0.0)
    high: reactive[float] = reactive(1.0)

    def __init__(self, label: str, *, widget_id: str | None = None) -> None:
        super().__init__(id=widget_id)
        self.label = label

    def validate_points(self, points: Sequence[Point]) -> tuple[Point, ...]:
        """Drop what can't be drawn and bound the history."""
        return bounded(points)

    def render(self) -> Content:
        """Draw label, number, curve and tail in the size there is."""
        width, height = self.content_size
        if height <= 1:
            return self._in_one_line(width)
        chart = self._chart(max(width - _LEFT_WIDTH, 1), height)
        texts = [self._head(), Content.styled(self.tail, self._tail_style())]
        left = (texts + [Content()] * height)[:height]
        lines = [
            text.pad_right(max(_LEFT_WIDTH - text.cell_length, 0)) + row
            for text, row in zip(left, chart, strict=True)
        ]
        return Content("\n").join(lines)

    def _in_one_line(self, width: int) -> Content:
        room = width - _LABEL_WIDTH - _NOW_WIDTH - _TAIL_WIDTH - 4
        if room < 4:
            tail = Content.styled(self.tail, self._tail_style())
            return Content.assemble(self._head(), "  ", tail)
        tail = Content.styled(padded(self.tail, _TAIL_WIDTH), self._tail_style())
        return Content.assemble(self._head(), "  ", self._chart(room, 1)[0], "  ", tail)

    def _head(self) -> Content:
        return Content.assemble(
            (padded(self.label, _LABEL_WIDTH), "$foreground 70%"), (f"{self.now:>6}", "bold")
        )

    def _tail_style(self) -> str:
        return _STYLES["risk"] if self.tone == "risk" else "$foreground 70%"

    def _chart(self, width: int, height: int) -> list[Content]:
        levels = self._levels(width, height * 8)
        style = _STYLES[self.tone]
        return [_row(levels, (height - 1 - row) * 8, style) for row in range(height)]

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
