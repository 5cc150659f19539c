"""The one line that is always there: what runs, and what it is doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from widgets import figures
from widgets.plain_text import fitted, one_line

StateKind = Literal["loading", "ready", "learning", "paused", "answering", "failed", "closing"]
_STYLES: dict[str, str] = {
    "loading": "$accent",
    "ready": "$success",
    "learning": "$accent",
    "paused": "$warning",
    "answering": "$accent",
    "failed": "$error",
    "closing": "$warning",
}
_MIN_MODEL_WIDTH = 6


@dataclass(frozen=True, slots=True)
class WorkState:
    """What the program is doing: a kind that gives the colour, and words."""

    kind: StateKind
    text: str


class StatusLine(Widget):
    """Product, model, device, engine, its dial and the number of documents; the state at the right.

    Where the width doesn't hold everything the product's name goes first, then the
    model's name is cut, then the device goes; numbers and the state are never cut.
    """

    DEFAULT_CSS = "StatusLine { height: 1; width: 1fr; padding: 0 1; }"

    product: reactive[str] = reactive("CL Workbench")
    model: reactive[str] = reactive("")
    device: reactive[str] = reactive("")
    engine: reactive[str] = reactive("")
    alpha: reactive[float | None] = reactive(None)
    strength: reactive[float | None] = reactive(None)
    strength_name: reactive[str] = reactive("bias")
    learned: reactive[int] = reactive(0)
    muted: reactive[int] = reactive(0)
    state: reactive[WorkState] = reactive(WorkState("loading", "starting"))

    def render(self) -> Content:
        """Lay the parts out in the width there is."""
        width = self.content_size.width
        state = fitted(one_line(self.state.text), max(width - 4, 1))
        room = width - cell_len(state) - 4
        left = self._left(room)
        gap = max(width - left.cell_length - cell_len(state) - 2, 1)
        style = _STYLES[self.state.kind]
        return Content.assemble(left, " " * gap, ("● ", style), (state, style))

    def _left(self, room: int) -> Content:
        product = Content.styled(self.product, "bold")
        if not self.model:
            return product
        facts = self._facts()
        if cell_len(facts) > room - _MIN_MODEL_WIDTH:
            facts = facts.removeprefix(f" · {one_line(self.device)}")
        model = one_line(self.model)
        rest = cell_len(facts)
        with_product = room - rest - cell_len(self.product) - 3
        if cell_len(model) <= with_product:
            return Content.assemble(product, "   ", (model, "bold"), (facts, "$foreground 70%"))
        model = fitted(model, max(room - rest, _MIN_MODEL_WIDTH))
        return Content.assemble((model, "bold"), (facts, "$foreground 70%"))

    def _facts(self) -> str:
        parts = [self.device, self.engine]
        if self.alpha is not None:
            parts.append(figures.alpha(self.alpha))
        if self.strength is not None:
            parts.append(figures.strength(self.strength, self.strength_name))
        muted = f", {figures.count(self.muted)} muted" if self.muted else ""
        parts.append(f"{figures.count(self.learned)} learned{muted}")
        return "".join(f" · {one_line(part)}" for part in parts if part)
