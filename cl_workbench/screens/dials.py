"""Where the engine's dial stands, in words, and what the status line says of the engine."""

from __future__ import annotations

from cl_workbench.messages import EngineState
from widgets import figures
from widgets.lora_frame import SIMULATED
from widgets.status_line import StatusLine


def dial_reading(state: EngineState | None) -> str | None:
    """Where the engine's dial stands, in words; None where it has none."""
    if state is None or (state.alpha is None and state.strength is None):
        return None
    if state.alpha is not None:
        return figures.alpha(state.alpha)
    return figures.strength(state.strength, state.strength_name)


def draw_dial(status: StatusLine, state: EngineState | None) -> None:
    """Put the engine's dial into the status line."""
    status.alpha = state.alpha if state else None
    status.strength = state.strength if state else None
    status.strength_name = state.strength_name if state else ""


def engine_words(state: EngineState) -> str:
    """The engine's name, and that it only pretends where it does."""
    return f"{state.engine} {SIMULATED}" if state.simulated else state.engine
