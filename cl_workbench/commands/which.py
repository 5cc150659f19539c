"""Which learned document a person means: by id, by the beginning of an id, or by title."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from cl_workbench.settings_values import nearest
from cl_workbench.terminal_text import one_line
from engines.protocol import EngineError

_LISTED = 8


class Named(Protocol):
    """What has the id and the title of a document."""

    @property
    def id(self) -> str:
        """The document's id."""

    @property
    def title(self) -> str:
        """The document's title."""


N = TypeVar("N", bound=Named)


def which_document(asked: str, learned: Iterable[N]) -> N:
    """The one of ``learned`` that ``asked`` names; titles match in any case.

    Raises:
        EngineError: if there is none or more than one, with those there are.
    """
    known = list(learned)
    if not known:
        raise EngineError(
            f"No document was learned, so there is no '{one_line(asked)}': "
            "learn it first, or name a checkpoint that holds it."
        )
    found = _matches(asked.strip(), known)
    if len(found) == 1:
        return found[0]
    if found:
        raise EngineError(f"'{one_line(asked)}' is more than one document: {_listed(found)}.")
    near = nearest(asked, tuple(document.title for document in known))
    hint = f"did you mean '{one_line(near)}'? There" if near else "there"
    raise EngineError(f"No learned document is '{one_line(asked)}': {hint} are {_listed(known)}.")


def _matches(asked: str, known: list[N]) -> list[N]:
    by_id = [document for document in known if document.id == asked.lower()]
    by_title = [document for document in known if document.title.casefold() == asked.casefold()]
    by_prefix = [document for document in known if asked and document.id.startswith(asked.lower())]
    return by_id or by_title or by_prefix


def _listed(documents: list[N]) -> str:
    shown = [f"{one_line(document.title)} ({document.id})" for document in documents[:_LISTED]]
    more = len(documents) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
