"""From a screen of its own to the engine thread and back: values one by one, until stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cl_workbench.engine_jobs import Steps
from cl_workbench.messages import Streamed, StreamEnded, Work
from cl_workbench.session import Session

Take = Callable[[object], None]
End = Callable[[StreamEnded], None]


@dataclass(frozen=True, slots=True)
class Stream:
    """A job of a screen; after ``stop`` nothing of it reaches the screen any more."""

    number: int
    stop: Callable[[], None]


class Streams:
    """Starts streams and hands each value to whoever asked for it, on the screen's thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._listeners: dict[int, tuple[Take, End]] = {}

    def start(self, steps: Steps, take: Take, end: End, *, work: Work = "answering") -> Stream:
        """Run ``steps`` on the engine thread; ``take`` gets its values and ``end`` its end."""
        number = self._session.stream(steps, work)
        self._listeners[number] = (take, end)
        return Stream(number, lambda: self._stop(number))

    def streamed(self, event: Streamed) -> None:
        """Hand a value on."""
        if listener := self._listeners.get(event.number):
            listener[0](event.value)

    def ended(self, event: StreamEnded) -> None:
        """Hand the end on."""
        if listener := self._listeners.pop(event.number, None):
            listener[1](event)

    def _stop(self, number: int) -> None:
        if self._listeners.pop(number, None) is not None:
            self._session.drop(number)
