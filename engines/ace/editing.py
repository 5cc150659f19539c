"""What a person does to the playbook of an ACE engine: undo, edit, and decide on what waits."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence

from engines.ace.kept import KeepsDocuments
from engines.ace.lesson import Decision
from engines.ace.operations import Operation
from engines.ace.outcome import Outcome
from engines.ace.playbook import Playbook, PlaybookError
from engines.ace.review import Pending, offer, pending, settle
from engines.ace.revisions import History, Place, Revision, branch, redo, revert, undo
from engines.ace.settings import AceSettings, limits_of
from engines.ace.shelf import Shelf


class EditsPlaybook(KeepsDocuments):
    """The playbook of an ACE engine, which nothing but a learn changes while that goes on."""

    def __init__(self, shelf: Shelf, settings: AceSettings, history: History) -> None:
        super().__init__(shelf)
        self.settings = settings
        self._history = history
        self._decisions: deque[Decision] = deque()
        self._deciding = threading.Lock()

    @property
    def playbook(self) -> Playbook:
        """The playbook as it is now."""
        return self._history.playbook

    @property
    def pending(self) -> tuple[Pending, ...]:
        """The operations that wait for a person."""
        return pending(self._history)

    def undo(self) -> Revision:
        """Take the last change back; returns the revision that does, whose note names it.

        Raises:
            EngineError: if there is nothing to undo, or something is being learned.
        """
        return self._changed_to(undo(self._idle_history()))

    def redo(self) -> Revision:
        """Take the last undo back.

        Raises:
            EngineError: if the last change was no undo, or something is being learned.
        """
        return self._changed_to(redo(self._idle_history()))

    def revert(self, number: int) -> Revision:
        """Make the playbook what it was at revision ``number``.

        Raises:
            EngineError: if there is no such revision, the playbook is that already, or something
                is being learned.
        """
        return self._changed_to(revert(self._idle_history(), number))

    def branch(self, number: int) -> Revision:
        """Go on from revision ``number`` as if what came after had not been.

        Raises:
            EngineError: if there is no such revision, or something is being learned.
        """
        return self._changed_to(branch(self._idle_history(), number))

    def edit(self, operations: Sequence[Operation]) -> tuple[Outcome, ...]:
        """Carry out what a person wrote, as one revision; returns what came of each.

        Bullets that the budget drives out for it come last.

        Raises:
            EngineError: if something is being learned.
        """
        limits = limits_of(self.settings)
        offered = offer(self._idle_history(), operations, limits, origin="person")
        self._history = offered.history
        return offered.outcomes

    def decide(
        self, accept: Mapping[Place, Operation | None], reject: Collection[Place] = ()
    ) -> tuple[Outcome, ...]:
        """Say what becomes of held operations, also from another thread while a learn goes on.

        During a learn that is done before its next question, and told by its events; nothing is
        returned then, and closing the learn early takes it back with the rest.

        Raises:
            PlaybookError: if nothing waits at one of the places.
        """
        with self._deciding:
            if self._learning:
                self._decisions.append(Decision(dict(accept), tuple(reject)))
                return ()
        settled = settle(self._history, accept, reject, limits_of(self.settings))
        self._history = settled.history
        return settled.outcomes

    def _idle_history(self) -> History:
        self._check_idle()
        return self._history

    def _changed_to(self, history: History) -> Revision:
        self._history = history
        return history.head

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        """A learn: meanwhile decisions are kept for it, and other changes are refused."""
        self._check_idle()
        with self._deciding:
            self._decisions.clear()
            self._learning = True
        finished = False
        try:
            yield
            finished = True
        finally:
            with self._deciding:
                self._learning = False
                late = self._taken()
            for decision in late if finished else ():  # made after the last question
                with contextlib.suppress(PlaybookError):
                    self.decide(decision.accept, decision.reject)

    def _taken(self) -> list[Decision]:
        taken = []
        while self._decisions:
            taken.append(self._decisions.popleft())
        return taken
