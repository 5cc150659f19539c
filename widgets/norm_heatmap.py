"""How much the LoRA of each chunk adds to each layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from widgets import figures
from widgets.gate_heatmap import shade, spread

UNREAD = "·"
_LABEL_WIDTH, _TOTAL_WIDTH, _MOST_CELLS = 4, 8, 4


@dataclass(frozen=True, slots=True)
class NormMap:
    """Norms of what a LoRA adds to the weights of each layer, from layer 0 on.

    ``columns[c]`` are those of chunk ``c`` alone, for the chunks that were read of ``chunks``;
    ``totals`` are those of all of them together.
    """

    columns: tuple[tuple[float, ...], ...]
    chunks: int
    totals: tuple[float, ...]

    @property
    def highest(self) -> float:
        """The largest norm of one chunk in one layer: what the darkest shade stands for."""
        return max((norm for column in self.columns for norm in column), default=0.0)


class NormHeatmap(ScrollView):
    """One line per layer, the last layer on top; a column for each chunk.

    A chunk that is not read yet has dots.  Neighbouring chunks are averaged where there are
    more than cells, and the norm of all chunks together stands at the right.
    """

    DEFAULT_CSS = """
    NormHeatmap {
        height: auto;
        width: 1fr;
        & .norm-heatmap--cell { color: $primary; }
        & .norm-heatmap--faint { color: $foreground 50%; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"norm-heatmap--cell", "norm-heatmap--faint"}

    can_focus = False
    norms: reactive[NormMap | None] = reactive(None, layout=True)

    def watch_norms(self, norms: NormMap | None) -> None:
        """Give the scroll bar the number of lines."""
        self.virtual_size = Size(self.size.width, len(norms.totals) if norms else 0)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One line for each layer."""
        return len(self.norms.totals) if self.norms else 0

    def render_line(self, y: int) -> Strip:
        """Draw layer number, chunks and total of one layer."""
        width = self.size.width
        row = self.scroll_offset.y + y
        base = self.rich_style
        if self.norms is None or not 0 <= row < len(self.norms.totals):
            return Strip.blank(width, base)
        faint = base + self.get_component_rich_style("norm-heatmap--faint", partial=True)
        cell = base + self.get_component_rich_style("norm-heatmap--cell", partial=True)
        layer = len(self.norms.totals) - 1 - row
        return _strip(self.norms, layer, width, (base, faint, cell))


def legend(norms: NormMap, width: int) -> Content:
    """What the shades stand for, and the number at the right, as far as there is room."""
    parts = [
        (f"{len(norms.totals)} layers × {norms.chunks} chunk{'s' * (norms.chunks != 1)}", ""),
        ("   0 ", "$foreground 70%"),
        ("░▒▓█", "$primary"),
        (f" {norm(norms.highest)}", "$foreground 70%"),
        ("   at the right: all chunks", "$foreground 70%"),
    ]
    content = Content.assemble(("norm      ", "$foreground 70%"))
    for text, style in parts:
        if content.cell_length + len(text) <= width:
            content = content.append_text(text, style)
    return content


def norm(value: float) -> str:
    """A norm in at most seven characters."""
    return f"{value:.3g}" if figures.is_measured(value) else figures.ABSENT


def _strip(norms: NormMap, layer: int, width: int, styles: tuple[Style, Style, Style]) -> Strip:
    base, faint, cell = styles
    room = max(width - _LABEL_WIDTH - _TOTAL_WIDTH, 0)
    read, unread = _cells(norms, layer, room)
    segments = [
        Segment(f"{layer:>3} ", faint),
        Segment("".join(shade(value, norms.highest) for value in read), cell),
        Segment(UNREAD * unread, faint),
        Segment(f"{norm(norms.totals[layer]):>{_TOTAL_WIDTH}}", base),
    ]
    return Strip(segments).adjust_cell_length(width, base)


def _cells(norms: NormMap, layer: int, room: int) -> tuple[list[float], int]:
    """The norms of a layer's cells, and how many cells are for chunks not read yet."""
    row = tuple(column[layer] for column in norms.columns)
    chunks = max(norms.chunks, len(row), 1)
    if chunks > room:
        cells = min(round(room * len(row) / chunks), len(row))
        return spread(row, cells), max(room - cells, 0)
    times = min(room // chunks, _MOST_CELLS)
    return [value for value in row for _ in range(times)], (chunks - len(row)) * times
