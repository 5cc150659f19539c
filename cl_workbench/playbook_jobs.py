"""What the engine thread does for each change of the playbook, and says of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cl_workbench.engine_jobs import state_of
from cl_workbench.messages import Event, Noted, StateChanged
from engines.abilities import KeepsPlaybook
from engines.ace.operations import Operation
from engines.ace.revisions import Place
from engines.protocol import Engine, EngineError

if TYPE_CHECKING:
    from cl_workbench.session import Host


def settle(
    engine: Engine, accept: Mapping[Place, Operation | None], reject: Collection[Place]
) -> Iterator[Event]:
    """Decide on held operations."""
    outcomes = keeper(engine).decide(accept, reject)
    yield StateChanged(state_of(engine))
    refused = [o for o in outcomes if o.verdict == "refused" and o.operation in accept.values()]
    if refused:
        yield Noted(f"It can't be applied: {refused[0].why}.")


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
