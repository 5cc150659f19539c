"""Asking which file to write, and whether one that is there may be replaced."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from textual.app import App

from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.confirm import ConfirmScreen
from engines.atomic import checked_name
from engines.protocol import EngineError

MAX_STEM = 40


async def ask_file(
    app: App[Any], title: str, folder: Path, name: str, endings: Sequence[str]
) -> Path | None:
    """The file to write: a name in ``folder``, or a path; None if one left.

    A name without an ending gets the first of ``endings`` (with their dots); others are refused.
    """
    screen = AskTextScreen(
        title, check=_check(folder, endings), value=name, placeholder="a name or a path"
    )
    text = await app.push_screen_wait(screen)
    if text is None:
        return None
    path = path_of(text, folder, endings)
    if path.exists():
        replace = ConfirmScreen(
            f"Replace {path.name}?", f"{path} is there already and would be lost.",
            "Yes, replace it",
        )  # fmt: skip
        if not await app.push_screen_wait(replace):
            return None
    return path


def path_of(text: str, folder: Path, endings: Sequence[str]) -> Path:
    """The file that ``text`` names; a bare name lies in ``folder``."""
    if not Path(text).suffix:
        text += endings[0]
    return Path(text).expanduser().absolute() if os.sep in text else folder / text


def safe_stem(title: str) -> str:
    """``title`` as a name for a file: letters, digits and hyphens, never empty."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in title.lower())
    words = "-".join(part for part in kept.split("-") if part)
    return words[:MAX_STEM].strip("-") or "document"


def _check(folder: Path, endings: Sequence[str]) -> Callable[[str], str | None]:
    def fault(text: str) -> str | None:
        try:
            if os.sep not in text:
                checked_name(text, "file name")
            path = path_of(text, folder, endings)
            in_the_way = path.is_dir()
            nowhere = os.sep in text and not path.parent.is_dir()
        except EngineError as error:
            return str(error)
        except (OSError, RuntimeError, ValueError):
            return "This can't be a path; type another one."
        if path.suffix.lower() not in endings:
            return f"The name has to end in {' or '.join(endings)}."
        if in_the_way:
            return "This is a folder; add a file's name."
        return "There is no such folder; check its spelling." if nowhere else None

    return fault
