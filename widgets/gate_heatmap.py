"""Which neurons of which layers may learn, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from widgets import figures

SHADES = " ░▒▓█"
_LABEL_WIDTH = 4
_SHARE_WIDTH = 6


@dataclass(frozen=True, slots=True)
class GateBins:
    """The open share (0..1) of the neurons, in bins, for each modified layer.

    ``bins[i]`` belongs to layer ``layers[i]``, as ``open_share[i]`` does.  ``gated`` is
    false where gating is off, so that every neuron learns.
    """

    layers: tuple[int, ...]
    neurons: int
    bins: tuple[tuple[float, ...], ...]
    open_share: tuple[float, ...]
    gated: bool = True

    @property
    def mean_open_share(self) -> float:
        """The open share over all layers drawn."""
        return sum(self.open_share) / len(self.open_share) if self.open_share else 0.0

    @property
    def highest(self) -> float:
        """The open share of the fullest bin: what the darkest shade stands for."""
        return max((share for row in self.bins for share in row), default=0.0)


class GateHeatmap(ScrollView):
    """One line per layer, the last layer on top; a cell is a bin of neighbouring neurons.

    Bins are merged where the width is short and widened where there is room for a
    whole multiple.  Scrolls when there are more layers than lines.
    """

    DEFAULT_CSS = """
    GateHeatmap {
        height: auto;
        width: 1fr;
        & .gate-heatmap--cell { color: $primary; }
        & .gate-heatmap--layer { color: $foreground 70%; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"gate-heatmap--cell", "gate-heatmap--layer"}

    can_focus = False
    gate: reactive[GateBins | None] = reactive(None, layout=True)

    def watch_gate(self, gate: GateBins | None) -> None:
        """Give the scroll bar the number of lines."""
        self.virtual_size = Size(self.size.width, len(gate.layers) if gate else 0)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One line for each layer."""
        return len(self.gate.layers) if self.gate else 0

    def render_line(self, y: int) -> Strip:
        """Draw layer number, bins and open share of one layer."""
        width = self.size.width
        row = self.scroll_offset.y + y
        base = self.rich_style
        if self.gate is None or not 0 <= row < len(self.gate.layers):
            return Strip.blank(width, base)
        index = len(self.gate.layers) - 1 - row
        label = base + self.get_component_rich_style("gate-heatmap--layer", partial=True)
        cell = base + self.get_component_rich_style("gate-heatmap--cell", partial=True)
        return self._strip(self.gate, index, width, (base, label, cell))

    def _strip(
        self, gate: GateBins, index: int, width: int, styles: tuple[Style, Style, Style]
    ) -> Strip:
        base, label, cell = styles
        shares = spread(gate.bins[index], width - _LABEL_WIDTH - _SHARE_WIDTH)
        text = "".join(shade(share, gate.highest) for share in shares)
        segments = [
            Segment(f"{gate.layers[index]:>3} ", label),
            Segment(text, cell),
            Segment(f"{figures.percent(gate.open_share[index]):>6}", base),
        ]
        return Strip(segments).adjust_cell_length(width, base)


def shade(share: float, highest: float) -> str:
    """The character for an open share, ``highest`` being the darkest; blank only for none."""
    if share <= 0 or highest <= 0:
        return SHADES[0]
    return SHADES[min(max(round(share / highest * 4), 1), 4)]


def spread(bins: tuple[float, ...], width: int) -> list[float]:
    """``bins`` over ``width`` cells: averaged where they are too many, else widened whole."""
    if width <= 0 or not bins:
        return []
    if len(bins) <= width:
        times = width // len(bins)
        return [share for share in bins for _ in range(times)]
    edges = [round(cell * len(bins) / width) for cell in range(width + 1)]
    return [sum(bins[a:b]) / (b - a) for a, b in pairwise(edges)]
