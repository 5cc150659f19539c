"""A progress bar of one line that never moves by itself."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from widgets import figures

_PERCENT_WIDTH = 6


class Meter(Widget):
    """The share of the work that is done, as a bar and a percentage.

    ``fraction`` is 0..1, or None where the length of the work is unknown: then an empty
    track is drawn, since an animation would say nothing and cost a repaint each frame.
    """

    DEFAULT_CSS = "Meter { height: 1; width: 1fr; }"

    fraction: reactive[float | None] = reactive(None)

    def validate_fraction(self, fraction: float | None) -> float | None:
        """Keep the share within 0..1 and drop what isn't finite."""
        return min(max(fraction, 0.0), 1.0) if figures.is_measured(fraction) else None

    def render(self) -> Content:
        """Draw the bar in the width there is."""
        width = self.content_size.width
        return bar(self.fraction, max(width - _PERCENT_WIDTH, 1)) + Content(
            f"{figures.percent(self.fraction) if self.fraction is not None else '':>6}"
        )


def bar(fraction: float | None, width: int, style: str = "$accent") -> Content:
    """A bar of ``width`` cells in half-cell steps."""
    halves = round((fraction or 0.0) * width * 2)
    full, half = divmod(halves, 2)
    done = "━" * full + ("╸" if half else "")
    return Content.assemble((done, style), ("─" * (width - len(done)), "$foreground 30%"))
