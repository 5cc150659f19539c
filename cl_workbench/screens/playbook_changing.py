"""What a person changes in a playbook: bullets, held operations, and where in time it stands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from textual.app import App

from cl_workbench import engine_jobs, playbook_jobs
from cl_workbench.screens.confirm import ConfirmScreen
from cl_workbench.screens.playbook_edit import EditBulletScreen
from cl_workbench.screens.playbook_waits import ACCEPTED, REJECTED, Decisions, flags_of, text_of
from cl_workbench.session import Session
from engines.ace.bullet import Bullet
from engines.ace.operations import Add, Operation, Remove, Tag, Update
from engines.ace.playbook import Playbook
from engines.ace.review import Pending
from engines.ace.revisions import History, Place
from widgets.plain_text import fitted, one_line

Change = Callable[[engine_jobs.Change], None]


class Writing:
    """Asks for texts and hands each change on; to be run in a worker, since it waits.

    Args:
        app: shows the dialogs.
        change: hands a change to the engine thread, or tells why that can't be now.
    """

    def __init__(self, app: App[Any], change: Change) -> None:
        self._app = app
        self._change = change

    async def add(self, playbook: Playbook, section: str) -> None:
        """Write a bullet, in ``section`` unless another is typed."""
        dialog = EditBulletScreen(
            "A new bullet", section=section, sections=[*playbook.sections]
        )  # fmt: skip
        written = await self._app.push_screen_wait(dialog)
        if written is not None:
            self._edit(Add(*written))

    async def edit(self, bullet: Bullet) -> None:
        """Change the text of ``bullet``."""
        written = await self._app.push_screen_wait(
            EditBulletScreen(f"Change {bullet.id}", bullet.text)
        )
        if written is not None and written[1] != bullet.text:
            self._edit(Update(bullet.id, written[1]))

    async def remove(self, bullet: Bullet) -> None:
        """Remove ``bullet``, after asking."""
        dialog = ConfirmScreen(
            f"Remove {bullet.id}?",
            f"{fitted(one_line(bullet.text), 200)}\n\nu brings it back.",
            "Yes, remove it",
        )
        if await self._app.push_screen_wait(dialog):
            self._edit(Remove(bullet.id))

    def _edit(self, operation: Operation) -> None:
        self._change(lambda engine: playbook_jobs.edit(engine, operation))


class Deciding:
    """Takes what a person says to held operations; those decided already are left alone.

    Args:
        app: shows the dialogs.
        session: where decisions go, also in the middle of a learning.
        tell: shows one sentence.
    """

    def __init__(self, app: App[Any], session: Session, tell: Callable[[str], None]) -> None:
        self._app = app
        self._session = session
        self._tell = tell
        self.decisions = Decisions()

    async def amended(self, held: Pending) -> Operation | None:
        """``held`` with another text; None if one left, or it has no text."""
        operation = held.operation
        if isinstance(operation, Tag | Remove):
            self._tell("There is no text in it to edit: y accepts it, n rejects it.")
            return None
        section = operation.section if isinstance(operation, Add) else None
        dialog = EditBulletScreen("Edit, and accept with enter", text_of(operation), section)
        written = await self._app.push_screen_wait(dialog)
        if written is None:
            return None
        if isinstance(operation, Add):
            return replace(operation, section=written[0], text=written[1])
        return replace(operation, text=written[1])

    async def may_accept(self, waiting: Sequence[Pending]) -> bool:
        """Ask whether all of ``waiting`` should be accepted, with how many are flagged."""
        flagged = sum(bool(flags_of(held.operation)) for held in waiting)
        risk = ""
        if flagged:
            risk = f"{flagged} of them {'is' if flagged == 1 else 'are'} flagged: read those first."
        return await self._may(f"Accept all {len(waiting):,}?", risk, "Yes, accept all")

    async def may_reject(self, waiting: Sequence[Pending]) -> bool:
        """Ask whether all of ``waiting`` should be rejected."""
        return await self._may(f"Reject all {len(waiting):,}?", "", "Yes, reject all")

    async def _may(self, question: str, risk: str, yes: str) -> bool:
        dialog = ConfirmScreen(question, f"{risk} u undoes it.".strip(), yes, "No, go on")
        answer = await self._app.push_screen_wait(dialog)
        return bool(answer)

    def decide(
        self,
        history: History,
        waiting: Sequence[Pending],
        accept: Mapping[Place, Operation | None],
        reject: Collection[Place] = (),
    ) -> bool:
        """Hand on what was decided on those that still wait; false if there is none."""
        said_of = self.decisions.said_of
        open_ = {held.place: held.operation for held in waiting if not said_of(held.place)}
        accepted = {place: edited for place, edited in accept.items() if place in open_}
        rejected = [place for place in reject if place in open_]
        if not (accepted or rejected):
            return False
        as_decided = {place: edited or open_[place] for place, edited in accepted.items()}
        self.decisions.add(as_decided, ACCEPTED, history)
        self.decisions.add({place: open_[place] for place in rejected}, REJECTED, history)
        self._session.settle(accepted, rejected)
        self._tell("")
        return True
