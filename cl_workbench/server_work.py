"""Slow asking beside the screen's loop: each job on a thread of its own that can be left.

A server may stay silent for minutes, and a training run for hours.  The pool that Textual and
asyncio share would be kept busy, and the program kept from ending, so each job has a thread
that dies with the program.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from engines.protocol import EngineError

if TYPE_CHECKING:
    from engines.language_models.check import ServerReport
    from engines.language_models.pulling import Pulled

log = logging.getLogger(__name__)

Step = object
Tell = Callable[["Job", Step], None]
End = Callable[["Job", str | None], None]


class Job:
    """Tells each value of ``steps`` on its thread, then its end, unless it was left before.

    ``end`` gets one sentence where it failed, and ``what`` is what was done then.  Both are
    called on the thread, and have to hand over to the screen's loop by themselves.
    """

    def __init__(
        self,
        steps: Callable[[], Iterator[Step]],
        tell: Tell,
        end: End,
        what: str = "a server was asked",
    ) -> None:
        self._steps = steps
        self._tell = tell
        self._end = end
        self._what = what
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="asking", daemon=True)

    def start(self) -> Job:
        """Begin; returns itself."""
        self._thread.start()
        return self

    def leave(self) -> None:
        """Stop at the next step, and tell nothing more."""
        self._left.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for its thread; false if it still runs."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failure = None
        try:
            with closing(self._steps()) as steps:  # type: ignore[type-var]
                for step in steps:
                    if self._left.is_set():
                        return
                    self._tell(self, step)
        except EngineError as error:
            failure = str(error)
        except Exception as error:
            log.exception("while %s", self._what)
            failure = f"{type(error).__name__} while {self._what}: see the log file."
        if not self._left.is_set():
            self._end(self, failure)


def checking(address: str, key_variable: str | None) -> Generator[ServerReport, None, None]:
    """One report on who answers at ``address``."""
    from engines.language_models.check import check

    yield check(address, key_variable=key_variable)


def fetching(address: str, key_variable: str | None, model: str) -> Generator[Pulled, None, None]:
    """How far the server at ``address`` has fetched ``model``.

    Raises:
        ServerError: if it can't be asked, or fails to fetch it.
    """
    from engines.language_models.addresses import Endpoint
    from engines.language_models.pulling import pull

    yield from pull(Endpoint.at(address, key_variable=key_variable), model)


def address_fault(text: str) -> str | None:
    """One sentence if ``text`` can't be a server's address."""
    from engines.language_models.addresses import Endpoint

    try:
        Endpoint.at(text)
    except EngineError as error:
        return str(error)
    return None
