"""What the session needs of the model that answers, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from cl_workbench.messages import ModelFacts
from engines.protocol import Piece, Sampling, Turn

Report = Callable[[str, float | None], None]


class Host(Protocol):
    """A loaded base model (``engines.host.ModelHost``), or one on a server in its place."""

    @property
    def name(self) -> str:
        """What to call the model."""

    @property
    def why(self) -> str:
        """One sentence on why it is this one."""

    @property
    def device(self) -> object:
        """Where the model computes."""

    @property
    def dtype(self) -> str:
        """The type of the base weights."""

    @property
    def parameters(self) -> int:
        """How many numbers the model has."""

    def reply(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[Piece]:
        """Stream the unchanged base model's answer."""


def facts_of(host: Host) -> ModelFacts:
    """What the screen says of the model."""
    return ModelFacts(host.name, host.why, str(host.device), host.dtype, host.parameters)
