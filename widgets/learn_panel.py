"""What the model is learning right now, and what it costs."""

from __future__ import annotations

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from widgets import figures, guard_lines
from widgets.gate_heatmap import GateBins, GateHeatmap
from widgets.learn_frame import LearnFrame, Notice, headline
from widgets.lora_panel import LoraPanel
from widgets.meter import Meter
from widgets.plain_text import one_line
from widgets.role_panel import RolePanel
from widgets.trend import Point, Tone, Trend

_NOTICE_STYLES: dict[str, str] = {
    "empty": "bold",
    "loading": "bold $accent",
    "done": "bold $success",
    "cancelled": "bold $warning",
    "failed": "bold $error",
}
_CURVES = ("loss", "alpha", "held_out", "answers")
_HELD_OUT_MARGIN = 0.05
"""Without a budget the held-out curve spans 5% to each side, so that noise looks like noise."""
_TAIL_WIDTH, _BUDGETS_FROM_WIDTH = 20, 70
_TALL_FROM_HEIGHT = 24


class LearnPanel(VerticalScroll):
    """Progress, four curves, the guard's words and the gate; or, in words, why there are none.

    Where it is learned by questions, what the roles do stands in the place of the curves, and
    where it becomes a LoRA, what is known of that.
    Set ``frame`` while learning.  ``notice`` says the state in words; with a notice of kind
    ``empty`` or ``loading`` the curves are hidden, otherwise they stay as they ended.
    """

    DEFAULT_CSS = """
    LearnPanel {
        & #learn-headline, & #learn-meter { height: 1; }
        & #learn-notice { height: auto; margin-bottom: 1; }
        & #learn-pause { height: auto; margin-bottom: 1; }
        & #learn-guard, & #learn-objective { height: auto; }
        & #overlap { height: 1; }
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
        yield Static(id="learn-pause")
        yield RolePanel(id="roles")
        yield LoraPanel(id="lora")
        yield Trend("loss", widget_id="trend-loss")
        yield Trend("α", widget_id="trend-alpha")
        yield Trend("held-out", widget_id="trend-held-out")
        yield Trend("answers", widget_id="trend-answers")
        yield Static(id="learn-guard")
        yield Static(id="learn-objective")
        yield Static(id="gate-legend")
        yield Static(id="overlap")
        yield GateHeatmap(id="gate-heatmap")

    def on_mount(self) -> None:
        """Draw the first state."""
        self._composed = True
        self._draw()

    def on_resize(self) -> None:
        """The title is cut to the new width."""
        self._draw()

    def watch_frame(self, old: LearnFrame | None, new: LearnFrame | None) -> None:
        """Draw the new values; a pause brings its question into view."""
        self._draw()
        if self._composed and new is not None and new.paused and not (old and old.paused):
            self.scroll_home(animate=False)

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
        self._draw_words(None if idle else self.frame)
        self._draw_roles(None if idle else self.frame)
        self._draw_lora(None if idle else self.frame)
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
        paused = frame is not None and frame.paused
        self.set_class(not idle and (paused or self.notice is not None), "-wordy")
        for name in _CURVES:
            self._trend(name).display = not idle and bool(getattr(frame, name, ()))

    def _draw_notice(self) -> None:
        if self.notice is None:
            return
        lines = [Content.styled(one_line(self.notice.heading), _NOTICE_STYLES[self.notice.kind])]
        lines += [Content(one_line(line)) for line in self.notice.lines]
        self.query_one("#learn-notice", Static).update(Content("\n").join(lines))

    def _draw_words(self, frame: LearnFrame | None) -> None:
        width = self.scrollable_content_region.width
        tall = self.size.height >= _TALL_FROM_HEIGHT
        shown: dict[str, Content | None] = dict.fromkeys(
            ("learn-pause", "learn-guard", "learn-objective", "overlap")
        )
        if frame is not None:
            if frame.paused:
                shown["learn-pause"] = guard_lines.pause_banner(frame, width)
            if frame.guard:
                lines = 2 if tall or not frame.paused else 1
                shown["learn-guard"] = guard_lines.guard_line(frame, width, lines)
            if (frame.objective and not frame.roles) or frame.retention_loss is not None:
                lines = 2 if tall else 1
                shown["learn-objective"] = guard_lines.objective_line(frame, width, lines)
            if frame.overlaps:
                shown["overlap"] = guard_lines.overlap_line(frame, width)
        for name, content in shown.items():
            _show(self.query_one(f"#{name}", Static), content)

    def _draw_roles(self, frame: LearnFrame | None) -> None:
        panel = self.query_one(RolePanel)
        panel.display = frame is not None and frame.roles is not None
        if frame is not None and frame.roles is not None:
            panel.room, panel.live = self.size.height, self.notice is None
            panel.frame = frame.roles

    def _draw_lora(self, frame: LearnFrame | None) -> None:
        panel = self.query_one(LoraPanel)
        panel.display = frame is not None and frame.lora is not None
        if frame is not None and frame.lora is not None:
            panel.columns = self.scrollable_content_region.width
            panel.room, panel.frame = self.size.height, frame.lora

    def _draw_frame(self, frame: LearnFrame) -> None:
        width = self.scrollable_content_region.width
        self.query_one("#learn-headline", Static).update(headline(frame, width), layout=False)
        self.query_one(Meter).fraction = frame.fraction
        self._draw_curves(frame, with_budget=width >= _BUDGETS_FROM_WIDTH)
        if frame.gate is not None:
            self.query_one("#gate-legend", Static).update(legend(frame.gate), layout=False)
            self.query_one(GateHeatmap).gate = frame.gate

    def _draw_curves(self, frame: LearnFrame, *, with_budget: bool) -> None:
        self._span_curves(frame)
        held_out = figures.is_risky(frame.held_out_change, frame.held_out_budget)
        answers = figures.is_risky(frame.answers_lost, frame.answers_budget)
        drawn: dict[str, tuple[str, Tone]] = {
            "loss": (_from_to(frame.loss), "live"),
            "alpha": (_from_to(frame.alpha), "learned"),
            "held_out": (
                guard_lines.held_out_tail(frame, with_budget=with_budget),
                "risk" if held_out else "learned",
            ),
            "answers": (
                guard_lines.answers_tail(frame, with_budget=with_budget),
                "risk" if answers else "learned",
            ),
        }
        tail_width = max([_TAIL_WIDTH, *(cell_len(tail) for tail, _ in drawn.values())])
        for name, (tail, tone) in drawn.items():
            trend = self._trend(name)
            trend.points = points = getattr(frame, name)
            trend.now = _now(name, points)
            trend.tail, trend.tone, trend.tail_width = tail, tone, tail_width

    def _span_curves(self, frame: LearnFrame) -> None:
        """The values at the bottom and the top of each curve; a budget is halfway to its edge."""
        if frame.loss:
            self._trend("loss").high = max(frame.loss[0][1], 0.1)
        start = frame.held_out_before or (frame.held_out[0][1] if frame.held_out else 1.0)
        margin = 2 * frame.held_out_budget if frame.held_out_budget else _HELD_OUT_MARGIN
        held_out = self._trend("held_out")
        held_out.low, held_out.high = start * (1 - margin), start * (1 + margin)
        first = frame.answers[0][1] if frame.answers else 1.0
        answers = self._trend("answers")
        answers.low, answers.high = max(first * (1 - 2 * (frame.answers_budget or 1.0)), 0.0), first

    def _trend(self, name: str) -> Trend:
        return self.query_one(f"#trend-{name.replace('_', '-')}", Trend)


def legend(gate: GateBins) -> Content:
    """How many neurons may learn, and what the shades of the heatmap stand for."""
    if not gate.gated:
        return Content("gate      off: every neuron learns")
    bins = len(gate.bins[0]) if gate.bins else 0
    return Content.assemble(
        ("gate      ", "$foreground 70%"),
        (f"{figures.percent(gate.mean_open_share)} open", "bold"),
        (f"   {len(gate.layers)} layers × {gate.neurons:,} neurons in {bins} bins", ""),
        ("   shut ", "$foreground 70%"),
        ("░▒▓█", "$primary"),
        (f" {figures.percent(gate.highest)} open", "$foreground 70%"),
    )


def _show(line: Static, content: Content | None) -> None:
    line.display = content is not None
    if content is None or (isinstance(line.content, Content) and content.is_same(line.content)):
        return
    line.update(content)


def _now(name: str, points: tuple[Point, ...]) -> str:
    if not points:
        return figures.ABSENT
    latest = points[-1][1]
    return figures.percent(latest) if name == "answers" else figures.number(latest)


def _from_to(points: tuple[Point, ...]) -> str:
    return f"{figures.number(points[0][1])} → {figures.number(points[-1][1])}" if points else ""
