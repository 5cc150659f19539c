"""What came of one operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engines.ace.operations import Operation

Verdict = Literal["accepted", "refused", "held"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``why`` is one sentence without its full stop.

    ``operation`` is None where none could be read; ``given`` then shows what there was.  ``id``
    is the bullet concerned, a new one's included, and ``twin`` the one that says the same
    already.  ``by`` is ``"budget"`` where no one asked for the operation but the token budget.
    """

    operation: Operation | None
    verdict: Verdict
    why: str
    id: str = ""
    twin: str = ""
    given: str = ""
    by: Literal["", "budget"] = ""
