"""What the playbook's screen looks at, also while it is learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.ace.revisions import History


@dataclass(frozen=True, slots=True)
class PlaybookView:
    """One moment of the playbook: while ``learning`` it changes, and ``line`` says where it is.

    ``history`` is None before an engine with a playbook is there.  ``budget`` is the most tokens
    that the playbook may hold, where that is known, and ``titles`` are those of the learned
    documents by id.
    """

    history: History | None
    learning: bool = False
    line: str = ""
    budget: int | None = None
    titles: Mapping[str, str] = field(default_factory=dict)
