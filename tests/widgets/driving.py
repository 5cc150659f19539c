"""Running a widget in an app of its own, and waiting for what should happen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot
from textual.widget import Widget

Body = Callable[[Pilot[None]], Awaitable[None]]
MAX_LOOKS = 1500  # half a minute: a machine with other work is slow, and a right test never waits


class Stand(App[None]):
    """An app with one widget, which keeps the messages that reach it."""

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget
        self.animation_level = "none"

    def compose(self) -> ComposeResult:
        yield self.widget


def drive(widget: Widget, body: Body, size: tuple[int, int] = (80, 24)) -> list[Message]:
    """Show ``widget`` and run ``body``; returns every message that reached the app."""
    messages: list[Message] = []

    def keep(message: Message) -> None:
        # A message that bubbles passes the hook once for each widget on its way.
        if not any(message is kept for kept in messages):
            messages.append(message)

    async def run() -> None:
        app = Stand(widget)
        async with app.run_test(size=size, message_hook=keep) as pilot:
            await pilot.pause()
            await body(pilot)

    asyncio.run(run())
    return messages


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Look again and again until ``condition`` holds."""
    for _ in range(MAX_LOOKS):
        if condition():
            await pilot.pause()
            return
        await pilot.pause(0.02)
    raise AssertionError(f"what was waited for did not happen:\n{screen_text(pilot.app)}")


def screen_text(app: App[None]) -> str:
    """What stands on screen, without colours."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines)
