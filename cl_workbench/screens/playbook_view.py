"""What the playbook's screen looks at, also while it is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.ace.revisions import History


@dataclass(frozen=True, slots=True)
class PlaybookView:
    """One moment of the playbook: while ``learning`` it changes, and ``line`` says where it is.

    ``history`` is None before an engine with a playbook is there.
    """

    history: History | None
    learning: bool = False
    line: str = ""
