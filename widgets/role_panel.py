"""Learning by questions as one watches it: the question, the role at work, what it changes."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from widgets import figures
from widgets.role_frame import (
    RoleFrame,
    answer_line,
    asked_lines,
    change_lines,
    count_line,
    note_lines,
    right_tail,
    role_line,
    written_lines,
)
from widgets.trend import Point, Trend

TALL_FROM, LOFTY_FROM = 26, 38
"""From these heights of the panel around it there is room for more lines."""
_TAIL_WIDTH = 16
_WORDS = ("asked", "answer", "changes", "counts", "note")


class Written(Widget):
    """The last lines of what a role writes, in the height the style gives it."""

    DEFAULT_CSS = "Written { height: 7; width: 1fr; }"

    frame: reactive[RoleFrame | None] = reactive(None)

    def render(self) -> Content:
        """Who is at work, and the end of what it wrote."""
        if self.frame is None or not self.frame.role:
            return Content()
        width, height = self.content_size
        written = written_lines(self.frame, width, height - 1)
        return Content("\n").join([role_line(self.frame), written])


class RolePanel(Vertical):
    """Set ``frame``; ``live`` while a role may be at work, ``room`` the lines there are."""

    DEFAULT_CSS = """
    RolePanel {
        height: auto;
        & Static { height: auto; }
        & #role-written { margin: 1 0; }
        & Trend { height: 1; }
        &.-tall Trend { height: 2; }
        &.-tall #role-score { height: 3; }
        &.-tall #role-changes, &.-tall #role-counts { margin-bottom: 1; }
        &.-lofty #role-written { height: 13; }
        &.-lofty Trend { height: 4; }
        &.-lofty #role-score { height: 6; }
        &.-short #role-written { margin: 0; }
    }
    """

    frame: reactive[RoleFrame | None] = reactive(None)
    live: reactive[bool] = reactive(True)
    room: reactive[int] = reactive(0)

    _composed = False

    def compose(self) -> ComposeResult:
        """The question, the role, the verdict, the changes, curves and counts."""
        yield Static(id="role-asked", markup=False)
        yield Written(id="role-written")
        yield Static(id="role-answer", markup=False)
        yield Static(id="role-changes", markup=False)
        yield Trend("score", widget_id="role-score")
        yield Trend("validate", widget_id="role-validation")
        yield Static(id="role-counts", markup=False)
        yield Static(id="role-note", markup=False)

    def on_mount(self) -> None:
        """Draw the first state."""
        self._composed = True
        self._draw()

    def on_resize(self) -> None:
        """Lines are cut to the new width."""
        self._draw()

    def watch_frame(self) -> None:
        """Draw the new values."""
        self._draw()

    def watch_live(self) -> None:
        """Show or hide what is being written."""
        self._draw()

    def watch_room(self, room: int) -> None:
        """Give the parts as many lines as there is room for."""
        self.set_class(room < TALL_FROM, "-short")
        self.set_class(TALL_FROM <= room < LOFTY_FROM, "-tall")
        self.set_class(room >= LOFTY_FROM, "-lofty")
        self.set_class(room >= TALL_FROM, "-tall")
        self._draw()

    def _draw(self) -> None:
        if not self._composed or self.frame is None:
            return
        frame, width = self.frame, self.size.width
        tall, lofty = self.room >= TALL_FROM, self.room >= LOFTY_FROM
        written = self.query_one(Written)
        written.display, written.frame = self.live and bool(frame.role), frame
        lines = 6 if lofty else 4 if tall else 3
        drawn: dict[str, Content | None] = dict.fromkeys(_WORDS)
        if frame.asked and self.live:
            drawn["asked"] = asked_lines(frame, width, 3 if tall else 2)
        if frame.right is not None and self.live:
            drawn["answer"] = answer_line(frame)
        if frame.changes:
            drawn["changes"] = change_lines(frame, width, lines)
        drawn["counts"] = count_line(frame, width)
        if frame.notes and self.live:
            drawn["note"] = note_lines(frame, width, 2)
        for name, content in drawn.items():
            _show(self.query_one(f"#role-{name}", Static), content)
        self._draw_curve("#role-score", frame.score, right_tail(frame))
        self._draw_curve("#role-validation", frame.validation, _course(frame.validation))

    def _draw_curve(self, name: str, points: tuple[Point, ...], tail: str) -> None:
        trend = self.query_one(name, Trend)
        trend.display = bool(points)
        trend.points, trend.tail, trend.tail_width = points, tail, _TAIL_WIDTH
        trend.now = figures.percent(points[-1][1]) if points else figures.ABSENT
        worse = len(points) > 1 and points[-1][1] < points[0][1]
        trend.tone = "live" if name == "#role-score" else "risk" if worse else "learned"


def _course(points: tuple[Point, ...]) -> str:
    """From the first score to the present one."""
    if len(points) < 2:
        return "kept apart" if points else ""
    return f"{figures.percent(points[0][1])} → {figures.percent(points[-1][1])}"


def _show(line: Static, content: Content | None) -> None:
    line.display = content is not None
    if content is None or (isinstance(line.content, Content) and content.is_same(line.content)):
        return
    line.update(content)
