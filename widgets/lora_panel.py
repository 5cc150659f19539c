"""Making a LoRA as one watches it: chunks, rank, time, losses, and the norms by layer."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from widgets.lora_frame import (
    LoraFrame,
    chunk_lines,
    loss_lines,
    rank_lines,
    simulated_banner,
    time_bar,
    time_lines,
)
from widgets.norm_heatmap import NormHeatmap, legend

TALL_FROM = 26
"""From this height of the panel around it there is room for a larger banner and a bar."""


class LoraPanel(Vertical):
    """Set ``frame``; ``room`` and ``columns`` are the lines and cells there are around it."""

    DEFAULT_CSS = """
    LoraPanel {
        height: auto;
        & Static { height: auto; }
        & #lora-simulated {
            background: $warning; color: $background; text-style: bold; padding: 0 1;
            text-align: center;
        }
        &.-tall #lora-simulated { padding: 1; margin-bottom: 1; }
        &.-tall #lora-legend { margin-top: 1; }
    }
    """

    frame: reactive[LoraFrame | None] = reactive(None)
    room: reactive[int] = reactive(0)
    columns: reactive[int] = reactive(0)

    _composed = False

    def compose(self) -> ComposeResult:
        """The warning, chunks, rank, time, losses, and the norms."""
        for name in ("simulated", "chunks", "rank", "time", "split", "losses", "legend"):
            yield Static(id=f"lora-{name}", markup=False)
        yield NormHeatmap(id="lora-norms")

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

    def watch_columns(self) -> None:
        """Draw once there is room."""
        self._draw()

    def watch_room(self, room: int) -> None:
        """Give the parts as many lines as there is room for."""
        self.set_class(room >= TALL_FROM, "-tall")
        self._draw()

    def _draw(self) -> None:
        # Before it is laid out it has no size, and lines wrapped to that would be many.
        width = self.size.width or self.columns
        if not self._composed or self.frame is None or not width:
            return
        frame = self.frame
        timed = sum(frame.seconds) > 0
        drawn: dict[str, Content | None] = {
            "simulated": simulated_banner() if frame.simulated else None,
            "chunks": chunk_lines(frame, width),
            "rank": rank_lines(frame, width) if frame.rank else None,
            "time": time_lines(frame, width) if timed else None,
            "split": time_bar(frame, width) if timed and self.room >= TALL_FROM else None,
            "losses": loss_lines(frame, width),
            "legend": legend(frame.norms, width) if frame.norms else None,
        }
        for name, content in drawn.items():
            _show(self.query_one(f"#lora-{name}", Static), content)
        heatmap = self.query_one(NormHeatmap)
        heatmap.display = frame.norms is not None
        heatmap.norms = frame.norms


def _show(line: Static, content: Content | None) -> None:
    line.display = content is not None
    if content is None or (isinstance(line.content, Content) and content.is_same(line.content)):
        return
    line.update(content)
