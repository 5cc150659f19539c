"""A patch that is a rewrite of the playbook in disguise."""

from __future__ import annotations

from collections.abc import Sequence

from engines.ace.operations import Merge, Operation, Remove, Update
from engines.ace.playbook import Playbook
from engines.ace.reading import Unreadable

# In fewer bullets than this, changing most of them is no collapse.
_FEW = 4


def rewriting_fault(
    playbook: Playbook,
    operations: Sequence[Operation | Unreadable],
    removed: float,
    rewritten: float,
) -> str | None:
    """One sentence if ``operations`` take away or rewrite too much of ``playbook``, else None.

    At most the share ``removed`` of the bullets may go, by REMOVE or into a MERGE; one always
    may, where it is not the last.  In a playbook of four or more, at most the share
    ``rewritten`` may go or get another text.
    """
    ids = set(playbook.ids)
    gone: set[str] = set()
    touched: set[str] = set()
    for operation in operations:
        match operation:
            case Remove():
                gone.add(operation.id)
            case Merge():
                gone.update(operation.ids[1:])
                touched.update(operation.ids[:1])
            case Update():
                touched.add(operation.id)
    gone &= ids
    touched = (touched & ids) | gone
    if gone and (len(gone) == len(ids) or len(gone) > max(1, int(removed * len(ids)))):
        return _sentence("take away", len(gone), len(ids))
    if len(ids) >= _FEW and len(touched) > rewritten * len(ids):
        return _sentence("take away or rewrite", len(touched), len(ids))
    return None


def _sentence(what: str, number: int, of: int) -> str:
    return f"the patch would {what} {number} of {of} bullets, which only a person may do"
