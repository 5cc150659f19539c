"""Which language-model server answers, which models it has, and what to run where none does."""

from __future__ import annotations

from cl_workbench.screens.overlays import Sheet
from cl_workbench.settings import Settings


class ServersScreen(Sheet[bool]):
    """Looks at an address, lists its models, fetches one, and takes one into the settings.

    Dismissed with true once the ``server`` settings were changed.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
