"""What waits for a person as rows, and which decisions don't show in the playbook yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cl_workbench.commands.table import time_text
from cl_workbench.screens.playbook_rows import source_text
from engines.ace.operations import Add, Merge, Operation, Remove, Tag
from engines.ace.playbook import Playbook
from engines.ace.review import Pending
from engines.ace.revisions import History, Place
from engines.ace.screening import screen
from widgets.playbook_waiting import WaitingRow


def waiting_row(
    held: Pending, playbook: Playbook, titles: Mapping[str, str], decided: str
) -> WaitingRow:
    """One held operation; ``playbook`` is the present one."""
    operation = held.operation
    source = source_text(held.source, titles)
    proposed = f"{held.origin}, {time_text(held.at)}" + (f"; {source}" if source else "")
    flagged = bool(flags_of(operation))
    before = texts_before(operation, playbook)
    missing = not before and not isinstance(operation, Add)
    warnings = [held.why] if flagged else []
    if missing:
        warnings.append("no bullet has that id any more: it can only be rejected")
    return WaitingRow(
        held.place,
        operation.TYPE,
        target_of(operation),
        before if not isinstance(operation, Tag) else (),
        text_of(operation),
        _told(operation, playbook),
        operation.reason,
        proposed,
        "" if flagged or held.why == _USUAL else held.why,
        tuple(warnings),
        decided,
    )


def flags_of(operation: Operation) -> tuple[str, ...]:
    """What a person should see in the texts of ``operation`` before it is used."""
    section = operation.section if isinstance(operation, Add) else ""
    text = f"{section} {text_of(operation)}".strip()
    return tuple(flag.why for flag in screen(text)) if text else ()


def text_of(operation: Operation) -> str:
    """The text that ``operation`` would put in; empty where it puts in none."""
    return "" if isinstance(operation, Tag | Remove) else operation.text


def target_of(operation: Operation) -> str:
    """The section or the ids that ``operation`` is about."""
    match operation:
        case Add():
            return operation.section
        case Merge():
            return ", ".join(operation.ids)
        case _:
            return operation.id


def texts_before(operation: Operation, playbook: Playbook) -> tuple[str, ...]:
    """The present texts of the bullets that ``operation`` is about."""
    if isinstance(operation, Add):
        return ()
    ids = operation.ids if isinstance(operation, Merge) else (operation.id,)
    return tuple(bullet.text for bullet in map(playbook.get, ids) if bullet is not None)


def _told(operation: Operation, playbook: Playbook) -> str:
    if not isinstance(operation, Tag):
        return ""
    bullet = playbook.get(operation.id)
    if bullet is None or operation.tag == "neutral":
        return f"counts as {operation.tag}"
    now = bullet.helpful if operation.tag == "helpful" else bullet.harmful
    return f"{operation.tag} {now} → {now + 1}: {bullet.text}"


class Decisions:
    """What a person said to held operations, until the playbook shows it."""

    def __init__(self) -> None:
        self._said: dict[Place, tuple[str, Operation]] = {}
        self._since = 0

    def __bool__(self) -> bool:
        return bool(self._said)

    def said_of(self, place: Place) -> str:
        """``accepted`` or ``rejected``; empty where nothing was said."""
        return self._said[place][0] if place in self._said else ""

    def add(self, places: Mapping[Place, Operation], said: str, history: History) -> None:
        """Keep what was said, by the operation as it was decided on."""
        if not self._said:
            self._since = history.next
        self._said.update({place: (said, operation) for place, operation in places.items()})

    def clear(self) -> None:
        """Nothing is under way any more."""
        self._said.clear()

    def follow(self, history: History, waiting: Iterable[Place]) -> list[str]:
        """Drop what the playbook shows by now; returns why something could not be applied."""
        still = set(waiting)
        self._said = {place: said for place, said in self._said.items() if place in still}
        faults = []
        for revision in history.revisions[self._since :]:
            if revision.origin != "person" or not self._said:
                continue
            for outcome in revision.outcomes:
                place = self._place_of(outcome.operation)
                if outcome.verdict == "refused" and place is not None:
                    del self._said[place]
                    faults.append(outcome.why)
        self._since = history.next
        return faults

    def _place_of(self, operation: Operation | None) -> Place | None:
        found = (p for p, (said, o) in self._said.items() if o == operation and said == ACCEPTED)
        return next(found, None)


ACCEPTED, REJECTED = "accepted", "rejected"
_USUAL = "waits for review"  # what is said of all that is held because the setting says so
