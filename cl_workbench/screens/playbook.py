"""The playbook: its bullets, what waits for a person, and every change."""

from __future__ import annotations

from collections.abc import Callable

from cl_workbench.home import Home
from cl_workbench.screens.overlays import Sheet
from cl_workbench.screens.playbook_view import PlaybookView
from cl_workbench.session import Session


class PlaybookScreen(Sheet[None]):
    """The playbook, live while it is learned.

    Args:
        session: what changes the playbook.
        home: where playbooks are saved.
        view: gives the playbook as it is now; asked a few times a second.
    """

    def __init__(self, session: Session, home: Home, view: Callable[[], PlaybookView]) -> None:
        super().__init__()
        self._session = session
        self._home = home
        self._view = view
