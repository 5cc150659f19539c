"""The ordered channel from the engine thread to the screen, bounded however fast it fills.

High-rate values (learning steps, pieces of an answer, loading progress) lie here until
the screen's 10 Hz timer takes them; everything else wakes the screen at once.  One
channel for both keeps the order: no step can arrive after the report that ends it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from cl_workbench.messages import AnswerText, Event, Learning, Loading, RatingOn, Streamed
from cl_workbench.role_steps import joined

MAX_STEPS_WAITING = 256


class Outbox:
    """Put on the engine thread, taken on the screen's; ``wake`` is called from the former."""

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._events: deque[Event] = deque()
        self._steps = 0

    def put(self, event: Event) -> None:
        """Append ``event``, merged with the last one where both stream the same thing."""
        with self._lock:
            if isinstance(event, Learning):
                self._put_step(event)
            elif not self._merged(event):
                self._events.append(event)
        if not isinstance(event, Learning | AnswerText | Loading | RatingOn | Streamed):
            self._wake()

    def take(self) -> tuple[Event, ...]:
        """Everything that waits, in order; the outbox is empty afterwards."""
        with self._lock:
            events = tuple(self._events)
            self._events.clear()
            self._steps = 0
        return events

    def _put_step(self, event: Learning) -> None:
        if self._events and (both := joined(self._events[-1], event)) is not None:
            self._events[-1] = both
            return
        self._events.append(event)
        self._steps += 1
        if self._steps > MAX_STEPS_WAITING:
            oldest = next(e for e in self._events if isinstance(e, Learning))
            self._events.remove(oldest)
            self._steps -= 1

    def _merged(self, event: Event) -> bool:
        last = self._events[-1] if self._events else None
        if isinstance(event, AnswerText) and isinstance(last, AnswerText):
            if event.number == last.number:
                self._events[-1] = AnswerText(event.number, last.text + event.text)
                return True
        elif isinstance(event, Loading | RatingOn) and type(last) is type(event):
            self._events[-1] = event
            return True
        return False
