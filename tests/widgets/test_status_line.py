from __future__ import annotations

from driving import drive, screen_text
from textual.pilot import Pilot

from widgets.progress_line import ProgressLine
from widgets.status_line import StatusLine, WorkState


def shown(width: int, state: str = "learning 41%") -> str:
    line = StatusLine()
    seen: list[str] = []

    async def body(pilot: Pilot[None]) -> None:
        line.model, line.device, line.engine = "SmolLM2-135M-Instruct", "cpu", "ttt"
        line.alpha, line.learned = 0.83, 2
        line.state = WorkState("learning", state)
        await pilot.pause()
        seen.append(screen_text(pilot.app).splitlines()[0])

    drive(line, body, (width, 5))
    return seen[0]


def test_everything_stands_in_a_wide_line() -> None:
    text = shown(120)
    for part in ("CL Workbench", "SmolLM2-135M-Instruct · cpu · ttt · α 0.83 · 2 learned"):
        assert part in text
    assert text.rstrip().endswith("● learning 41%")


def test_numbers_and_state_survive_a_narrow_line() -> None:
    text = shown(60)
    assert "α 0.83 · 2 learned" in text
    assert text.rstrip().endswith("● learning 41%")
    assert "CL Workbench" not in text


def test_muted_documents_are_counted() -> None:
    line = StatusLine()

    async def body(pilot: Pilot[None]) -> None:
        line.model, line.learned, line.muted = "SmolLM2-135M-Instruct", 2, 1
        await pilot.pause()
        assert "2 learned, 1 muted" in screen_text(pilot.app)
        line.muted = 0
        await pilot.pause()
        assert "muted" not in screen_text(pilot.app)

    drive(line, body, (80, 3))


def test_the_progress_line_tells_share_and_time() -> None:
    line = ProgressLine()
    seen: list[str] = []

    async def body(pilot: Pilot[None]) -> None:
        line.title, line.fraction, line.seconds_left = "harbour.md", 0.41, 14.0
        await pilot.pause()
        seen.append(screen_text(pilot.app).splitlines()[0])

        line.place = "document 2 of 5"
        await pilot.pause()
        seen.append(screen_text(pilot.app).splitlines()[0])

    drive(line, body, (60, 3))
    assert "harbour.md" in seen[0]
    assert "harbour.md  document 2 of 5" in seen[1]
    assert seen[1].rstrip().endswith("41% 0:14")
    assert seen[0].rstrip().endswith("41% 0:14")
