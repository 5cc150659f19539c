"""Finding the files that ship with the program, in a wheel and in a checkout alike."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def asset(*parts: str) -> Path:
    """The path of a shipped file or folder, such as ``asset("themes")``.

    A wheel has ``themes/`` and ``configs/`` inside the package; a checkout beside it.

    Raises:
        FileNotFoundError: if neither place has it, so the installation is incomplete.
    """
    for root in (PACKAGE, PACKAGE.parent):
        found = root.joinpath(*parts)
        if found.exists():
            return found
    raise FileNotFoundError(
        f"{'/'.join(parts)} is missing from this installation of cl-workbench: install it again."
    )
