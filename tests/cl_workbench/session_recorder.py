"""A session around a scripted engine, with every event it told."""

from __future__ import annotations

import threading
from collections.abc import Callable

from scripted_engine import Script, ScriptedEngine, ScriptedHost

from cl_workbench.messages import Event
from cl_workbench.session import Session


class Recorder:
    """A session whose events are collected, with a way to wait for one of them."""

    def __init__(self, script: Script | None = None, **options: object) -> None:
        self.script = script or Script()
        self.host = ScriptedHost(self.script)
        self.engine = ScriptedEngine(self.host)
        self.events: list[Event] = []
        self._woken = threading.Event()
        open_engine = options.pop("open_engine", lambda report: (self.host, self.engine))
        self.session = Session(
            open_engine,  # type: ignore[arg-type]
            wake=self._woken.set,
            clock=lambda: 0.0,
            **options,  # type: ignore[arg-type]
        )

    def wait(self, condition: Callable[[Event], bool]) -> Event:
        """The first event, past or future, for which ``condition`` holds."""
        seen = 0
        for _ in range(3_000):
            self.events += self.session.outbox.take()
            for event in self.events[seen:]:
                seen += 1
                if condition(event):
                    return event
            self.breathe()
        raise AssertionError(f"not among {self.events}")

    def breathe(self) -> None:
        """Let the engine thread run until it tells something, or a moment."""
        self._woken.wait(0.01)
        self._woken.clear()

    def of(self, kind: type[Event]) -> list[Event]:
        self.events += self.session.outbox.take()
        return [event for event in self.events if isinstance(event, kind)]


Start = Callable[..., Recorder]


def is_kind(*kinds: type) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, kinds)
