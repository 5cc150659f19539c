"""What the program is doing, in the words at the right of the status line."""

from __future__ import annotations

from cl_workbench.messages import Work
from widgets import figures
from widgets.learn_frame import LearnFrame
from widgets.status_line import StateKind, WorkState

_ANSWERING: dict[Work, str] = {
    "answering": "answering", "rating": "rating", "studying": "preparing items",
}  # fmt: skip


def work_state(work: Work | None, frame: LearnFrame | None, *, failed: bool) -> WorkState:
    """The state during ``work``; ``frame`` is that of the document being learned.

    ``failed`` if there is no model because loading it failed or was cancelled.
    """
    match work:
        case "loading":
            return WorkState("loading", "loading model…")
        case "learning":
            kind: StateKind = "paused" if frame and frame.paused else "learning"
            return WorkState(kind, f"{kind} {figures.percent(frame.fraction if frame else 0.0)}")
        case "answering" | "rating" | "studying":
            return WorkState("answering", _ANSWERING[work])
        case _ if failed:
            return WorkState("failed", "no model")
        case _:
            return WorkState("ready", "ready")
