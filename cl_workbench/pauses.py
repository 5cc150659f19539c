"""Where the engine thread waits for a person to decide how a paused learning goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable

from engines.protocol import Decision

_LOOK_SECONDS = 0.1


class Pause:
    """``wait`` is called on the engine thread, ``decide`` on any other.

    A decision counts for the pause that is waited at and for no later one, so a key that
    is pressed twice does not decide the next pause too.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting = False
        self._decision: Decision | None = None

    def wait(self, stop: Callable[[], bool]) -> Decision | None:
        """Sleep until there is a decision; None if ``stop`` became true before."""
        with self._changed:
            self._waiting, self._decision = True, None
            while self._decision is None and not stop():
                self._changed.wait(_LOOK_SECONDS)
            self._waiting = False
            return self._decision

    def decide(self, decision: Decision) -> bool:
        """Let the engine thread go on; false if it is not waiting."""
        with self._changed:
            if not self._waiting or self._decision is not None:
                return False
            self._decision = decision
            self._changed.notify_all()
            return True
