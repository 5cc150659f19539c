"""What the model is learning right now, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from widgets import figures
from widgets.gate_heatmap import GateBins, GateHeatmap
from widgets.meter import Meter
from widgets.plain_text import fitted, one_line
from widgets.trend import Point, Tone, Trend

NoticeKind = Literal["empty", "loading", "done", "cancelled", "failed"]
_NOTICE_STYLES: dict[str, str] = {
    "empty": "bold",
    "loading": "bold $accent",
    "done": "bold $success",
    "cancelled": "bold $warning",
    "failed": "bold $error",
}
_MIN_TITLE_WIDTH, _GOOD_TITLE_WIDTH = 8, 20
LEARNING, LEARNED = "learning", "learned"
"""The stages that need no words: their pass and batch tell enough."""
_HELD_OUT_MARGIN = 0.05
"""The held-out curve spans 5% to each side of its start, so that noise looks like noise."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A state that has words: a heading and lines of plain text below it."""

    kind: NoticeKind
    heading: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LearnFrame:
    """One moment of learning a document; None where a strategy measures no such thing.

    The curves are ``(share done, value)`` points, losses in nats per token, times in
    seconds.  ``place`` says which of several documents it is: ``document 2 of 5``.
    """

    title: str
    stage: str
    fraction: float
    place: str = ""
    tokens: int = 0
    pass_number: int = 0
    passes: int = 0
    step: int = 0
    steps: int = 0
    tokens_per_second: float | None = None
    seconds: float = 0.0
    seconds_left: float | None = None
    loss: tuple[Point, ...] = ()
    alpha: tuple[Point, ...] = ()
    held_out: tuple[Point, ...] = ()
    held_out_before: float | None = None
    gate: GateBins | None = None


class LearnPanel(VerticalScroll):
    """Progress, three curves and the gate; or, in words, why there are none.

    Set ``frame`` while learning.  ``notice`` says the state in words; with a notice of
    kind ``empty`` or ``loading`` the curves are hidden, otherwise they stay as they ended.
    """

    DEFAULT_CSS = """
    LearnPanel {
        & #learn-headline, & #learn-meter { height: 1; }
        & #learn-notice { height: auto; margin-bottom: 1; }
        & #gate-legend { height: 1; margin-top: 1; }
        &.-wordless #learn-notice, &.-idle #learn-headline, &.-idle #learn-curves,
        &.-barless #learn-meter, &.-gateless #gate-legend, &.-gateless GateHeatmap {
            display: none;
        }
    }
    """

    frame: reactive[LearnFrame | None] = reactive(None)
    notice: reactive[Notice | None] = reactive(None)
    loading_fraction: reactive[float | None] = reactive(None)

    _composed = False

    def compose(self) -> ComposeResult:
        """The same parts in every state; classes say which are shown."""
        yield Static(id="learn-headline")
        yield Meter(id="learn-meter")
        yield Static(id="learn-notice")
        yield Trend("loss", widget_id="trend-loss")
        yield Trend("α", widget_id="trend-alpha")
        yield Trend("held-out", widget_id="trend-held-out")
        yield Static(id="gate-legend")
        yield GateHeatmap(id="gate-heatmap")

    def on_mount(self) -> None:
        """Draw the first state."""
        self._composed = True
        self._draw()

    def on_resize(self) -> None:
        """The title is cut to the new width."""
        self._draw()

    def watch_frame(self) -> None:
        """Draw the new values."""
        self._draw()

    def watch_notice(self) -> None:
        """Show or hide the words."""
        self._draw()

    def watch_loading_fraction(self) -> None:
        """Move the bar of the model that is being loaded."""
        self._draw()

    def _draw(self) -> None:
        if not self._composed:
            return
        idle = self.frame is None or (
            self.notice is not None and self.notice.kind in {"empty", "loading"}
        )
        loading = self.notice is not None and self.notice.kind == "loading"
        self._classes_for(idle, loading)
        self._draw_notice()
        if self.frame is not None and not idle:
            self._draw_frame(self.frame)
        elif loading:
            self.query_one(Meter).fraction = self.loading_fraction

    def _classes_for(self, idle: bool, loading: bool) -> None:
        frame = self.frame
        self.set_class(self.notice is None, "-wordless")
        self.set_class(idle, "-idle")
        self.set_class(idle and not loading, "-barless")
        self.set_class(idle or frame is None or frame.gate is None, "-gateless")
        for name in ("loss", "alpha", "held_out"):
            trend = self.query_one(f"#trend-{name.replace('_', '-')}", Trend)
            trend.display = not idle and frame is not None and bool(getattr(frame, name))

    def _draw_notice(self) -> None:
        if self.notice is None:
            return
        lines = [Content.styled(one_line(self.notice.heading), _NOTICE_STYLES[self.notice.kind])]
        lines += [Content(one_line(line)) for line in self.notice.lines]
        self.query_one("#learn-notice", Static).update(Content("\n").join(lines))

    def _draw_frame(self, frame: LearnFrame) -> None:
        width = self.scrollable_content_region.width
        self.query_one("#learn-headline", Static).update(headline(frame, width), layout=False)
        self.query_one(Meter).fraction = frame.fraction
        self._draw_loss(frame)
        self._draw_alpha(frame)
        self._draw_held_out(frame)
        if frame.gate is not None:
            self.query_one("#gate-legend", Static).update(legend(frame.gate), layout=False)
            self.query_one(GateHeatmap).gate = frame.gate

    def _draw_loss(self, frame: LearnFrame) -> None:
        trend = self.query_one("#trend-loss", Trend)
        _fill(trend, frame.loss, tail=_from_to(frame.loss))

    def _draw_alpha(self, frame: LearnFrame) -> None:
        trend = self.query_one("#trend-alpha", Trend)
        _fill(trend, frame.alpha, tail=_from_to(frame.alpha), tone="learned")

    def _draw_held_out(self, frame: LearnFrame) -> None:
        trend = self.query_one("#trend-held-out", Trend)
        latest = frame.held_out[-1][1] if frame.held_out else None
        change = figures.relative_change(latest, frame.held_out_before)
        start = frame.held_out_before or (frame.held_out[0][1] if frame.held_out else 1.0)
        trend.low, trend.high = start * (1 - _HELD_OUT_MARGIN), start * (1 + _HELD_OUT_MARGIN)
        known = change is not None
        tail = f"{figures.signed_percent(change)} {figures.verdict(change)}" if known else ""
        tone: Tone = "risk" if figures.is_risky(change) else "learned"
        _fill(trend, frame.held_out, tail=tail, tone=tone)


def headline(frame: LearnFrame, width: int) -> Content:
    """Title, place, tokens, pass, batch, speed and time left, as far as there is room.

    Where one of several documents is learned, tokens and batch give way to its place.
    """
    parts = {"place": frame.place}
    if frame.tokens:
        parts["tokens"] = f"{figures.count(frame.tokens)} tokens"
    if frame.stage not in {LEARNING, LEARNED}:
        parts["stage"] = frame.stage
    elif frame.passes:
        parts["stage"] = f"pass {frame.pass_number}/{frame.passes}"
    if frame.steps and frame.stage in {LEARNING, LEARNED}:
        parts["batch"] = f"batch {frame.step}/{frame.steps}"
    if frame.tokens_per_second is not None:
        parts["speed"] = figures.rate(frame.tokens_per_second)
    if frame.seconds_left is not None:
        parts["left"] = f"{figures.duration(frame.seconds_left)} left"
    for name in ("tokens", "batch") if frame.place else ():
        if width - len(_joined(parts)) < _GOOD_TITLE_WIDTH:
            parts.pop(name, None)
    facts = _joined(parts)
    title = fitted(one_line(frame.title), max(width - len(facts), _MIN_TITLE_WIDTH))
    return Content.assemble((title, "bold"), facts)


def _joined(parts: dict[str, str]) -> str:
    return "".join(f"   {one_line(part)}" for part in parts.values() if part)


def legend(gate: GateBins) -> Content:
    """How many neurons may learn, and what the shades of the heatmap stand for."""
    if not gate.gated:
        return Content("gate      off: every neuron learns")
    bins = len(gate.bins[0]) if gate.bins else 0
    return Content.assemble(
        ("gate     ", "$foreground 70%"),
        (f"{figures.percent(gate.mean_open_share)} open", "bold"),
        (f"   {len(gate.layers)} layers × {gate.neurons:,} neurons in {bins} bins", ""),
        ("   shut ", "$foreground 70%"),
        ("░▒▓█", "$primary"),
        (f" {figures.percent(gate.highest)} open", "$foreground 70%"),
    )


def _from_to(points: tuple[Point, ...]) -> str:
    return f"{figures.number(points[0][1])} → {figures.number(points[-1][1])}" if points else ""


def _fill(trend: Trend, points: tuple[Point, ...], *, tail: str, tone: Tone = "live") -> None:
    trend.points = points
    trend.now = figures.number(points[-1][1]) if points else figures.ABSENT
    trend.tail = tail
    trend.tone = tone
    if points and trend.id == "trend-loss":
        trend.high = max(points[0][1], 0.1)
