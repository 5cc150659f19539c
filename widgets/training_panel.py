"""A training run as one watches it: loss curves, evaluations, samples."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.reactive import reactive
from textual.widgets import Static

from widgets import figures
from widgets.meter import Meter
from widgets.training_frame import TrainingFrame, about_text, evaluation_table, sample_text
from widgets.trend import Point, Tone, Trend

_CURVES: tuple[tuple[str, str, Tone], ...] = (
    ("loss", "loss", "live"), ("gold", "gold", "live"), ("distil", "distil", "live"),
    ("held_out", "held-out", "learned"), ("gain", "gain", "learned"),
)  # fmt: skip
_TALL_FROM, _LOFTY_FROM = 28, 42
_FEW_ROWS, _MANY_ROWS = 4, 8


class TrainingPanel(VerticalScroll):
    """Set ``frame``; what a run has not told yet is not shown."""

    DEFAULT_CSS = """
    TrainingPanel {
        height: 1fr;
        & Static { height: auto; margin-bottom: 1; }
        & Meter { margin-bottom: 1; }
        & Trend { height: 1; }
        &.-tall Trend { height: 2; }
        &.-lofty Trend { height: 4; }
        & #training-evaluations { margin-top: 1; }
    }
    """

    frame: reactive[TrainingFrame | None] = reactive(None)

    _composed = False

    def compose(self) -> ComposeResult:
        """About, bar, curves, evaluations, samples."""
        yield Static(id="training-about", markup=False)
        yield Meter()
        for name, label, _ in _CURVES:
            yield Trend(label, widget_id=f"training-{name.replace('_', '-')}")
        yield Static(id="training-evaluations", markup=False)
        yield Static(id="training-samples", markup=False)

    def on_mount(self) -> None:
        """Draw the first state."""
        self._composed = True
        self._draw()

    def on_resize(self) -> None:
        """Curves are as high as there is room for."""
        self.set_class(self.size.height >= _TALL_FROM, "-tall")
        self.set_class(self.size.height >= _LOFTY_FROM, "-lofty")
        self._draw()

    def watch_frame(self) -> None:
        """Draw the new values."""
        self._draw()

    def _draw(self) -> None:
        if not self._composed or self.frame is None:
            return
        frame, width = self.frame, max(self.scrollable_content_region.width, 20)
        self.query_one("#training-about", Static).update(about_text(frame, width))
        self.query_one(Meter).fraction = frame.fraction
        for name, _, tone in _CURVES:
            self._draw_curve(name, _steps_of(frame, name), tone)
        rows = _MANY_ROWS if self.size.height >= _TALL_FROM else _FEW_ROWS
        evaluations = self.query_one("#training-evaluations", Static)
        evaluations.display = bool(frame.evaluations)
        evaluations.update(evaluation_table(frame, rows))
        samples = self.query_one("#training-samples", Static)
        samples.display = bool(frame.samples)
        samples.update(sample_text(frame, width))

    def _draw_curve(self, name: str, steps: tuple[tuple[int, float], ...], tone: Tone) -> None:
        trend = self.query_one(f"#training-{name.replace('_', '-')}", Trend)
        trend.display = bool(steps)
        if not steps or self.frame is None:
            return
        whole = max(self.frame.steps, steps[-1][0], 1)
        points: tuple[Point, ...] = tuple((step / whole, value) for step, value in steps)
        share = name == "gain"
        first, last = points[0][1], points[-1][1]
        trend.points, trend.tone = points, tone
        trend.high = 1.0 if share else max(first, 0.1)
        write = figures.percent if share else figures.number
        trend.now, trend.tail = write(last), f"{write(first)} → {write(last)}"


def _steps_of(frame: TrainingFrame, name: str) -> tuple[tuple[int, float], ...]:
    if name == "held_out":
        return tuple((row.step, row.lora) for row in frame.evaluations)
    if name == "gain":
        return tuple((r.step, r.gain) for r in frame.evaluations if r.gain is not None)
    steps: tuple[tuple[int, float], ...] = getattr(frame, name)
    return steps
