"""What the engine thread does for each change of the playbook, and says of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cl_workbench.engine_jobs import state_of
from cl_workbench.messages import Event, Noted, StateChanged
from engines.abilities import KeepsPlaybook
from engines.ace import revisions
from engines.ace.importing import Imported, import_into
from engines.ace.limits import Limits
from engines.ace.operations import Operation
from engines.ace.playbook import PlaybookError
from engines.ace.review import offer
from engines.ace.revisions import History, Place
from engines.ace.settings import AceSettings, limits_of
from engines.protocol import Engine, EngineError

if TYPE_CHECKING:
    from cl_workbench.base_model import Host


def settle(
    engine: Engine, accept: Mapping[Place, Operation | None], reject: Collection[Place]
) -> Iterator[Event]:
    """Decide on held operations."""
    outcomes = keeper(engine).decide(accept, reject)
    yield StateChanged(state_of(engine))
    refused = [o for o in outcomes if o.verdict == "refused" and o.operation in accept.values()]
    if refused:
        yield Noted(f"It can't be applied: {refused[0].why}.")


def undo(engine: Engine) -> Iterator[Event]:
    """Take the last change back."""
    change = revisions.undoable(keeper(engine).history)
    number = change.number if change else 0
    history = revisions.undo(keeper(engine).history)
    yield from _adopted(engine, history, f"Undid revision {number}: ctrl+r redoes it.")


def redo(engine: Engine) -> Iterator[Event]:
    """Take the last undo back."""
    history = revisions.redo(keeper(engine).history)
    yield from _adopted(engine, history, f"Redid revision {history.head.restores}.")


def revert(engine: Engine, number: int) -> Iterator[Event]:
    """Make the playbook what it was at a revision."""
    history = revisions.revert(keeper(engine).history, number)
    yield from _adopted(engine, history, f"Went back to revision {number}: u undoes that.")


def branch(engine: Engine, number: int) -> Iterator[Event]:
    """Go on from a revision as if what came after had not been."""
    history = revisions.branch(keeper(engine).history, number)
    yield from _adopted(
        engine, history, f"Goes on from revision {number}; what came after stays in the changes."
    )


def edit(engine: Engine, operation: Operation) -> Iterator[Event]:
    """Do what a person asks; a refused operation leaves the playbook as it is."""
    offered = offer(keeper(engine).history, [operation], limits(engine), origin="person")
    first, *evicted = offered.outcomes
    if first.verdict != "accepted":
        raise PlaybookError(f"The playbook stays as it is: {first.why}.")
    said = f"{first.why[:1].upper()}{first.why[1:]}"
    told = said if first.id in first.why else f"{first.id}: {first.why}"
    if evicted:
        told += f"; {_count(len(evicted), 'bullet')} went to keep within the budget"
    yield from _adopted(engine, offered.history, f"{told}. u undoes it.")


def open_saved(engine: Engine, history: History, name: str) -> Iterator[Event]:
    """Put a playbook that was saved as ``name`` in the place of the present one."""
    held = _count(len(history.playbook.bullets), "bullet")
    yield from _adopted(engine, history, f"{name} is open: {held}.")


def take_in(engine: Engine, imported: Imported, name: str) -> Iterator[Event]:
    """Add the bullets of a file; flagged ones wait for a person."""
    history = keeper(engine).history
    offered = import_into(history, imported, limits(engine), note=f"imported from {name}")
    verdicts = [outcome.verdict for outcome in offered.outcomes if not outcome.by]
    told = [f"Imported {_count(verdicts.count('accepted'), 'bullet')} from {name}"]
    told += [
        f"{verdicts.count(verdict)} {said}"
        for verdict, said in (("held", "wait for review"), ("refused", "were refused"))
        if verdict in verdicts
    ]
    evicted = sum(outcome.by == "budget" for outcome in offered.outcomes)
    told += [f"{evicted} went to keep within the budget"] if evicted else []
    yield from _adopted(engine, offered.history, "; ".join([*told, *imported.notes[:1]]) + ".")


def limits(engine: Engine) -> Limits:
    """What a change is held to in ``engine``."""
    settings = getattr(engine, "settings", None)
    return limits_of(settings) if isinstance(settings, AceSettings) else Limits()


def _adopted(engine: Engine, history: History, told: str) -> Iterator[Event]:
    keeper(engine).history = history
    yield StateChanged(state_of(engine))
    yield Noted(told)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def use_model(engine: Engine, host: Host) -> None:
    """Let ``host`` take the roles.

    Raises:
        EngineError: if the engine's knowledge belongs to the model it was learned with.
    """
    taker: Any = keeper(engine)
    served = getattr(host, "language_model", None)
    if served is None:
        from engines.language_models.local import LocalModel

        served = LocalModel(host)  # type: ignore[arg-type]
    taker.model = served


def keeper(engine: Engine) -> KeepsPlaybook:
    """The engine as one that keeps a playbook.  Raises ``EngineError`` if it keeps none."""
    if not isinstance(engine, KeepsPlaybook):
        raise EngineError(f"The engine {engine.name} keeps no playbook: start with --engine ace.")
    return engine
