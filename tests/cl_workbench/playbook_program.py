"""The playbook commands in this process, on a home of the test's own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from engines.ace import files
from engines.ace.revisions import History
from tests.cl_workbench.word_program import Call, caller

RULES = """# Rules

## strategies
- Read the whole question before answering.
- Check the units of every number.
- Visit http://elsewhere.example for more.

## formulas
- [formula-00007] helpful=3 harmful=1 :: Ohm: voltage is current times resistance.
"""


def playbook_caller(capsys: pytest.CaptureFixture[str]) -> Call:
    """A function that runs ``cl-workbench playbook`` with its arguments."""
    return partial(caller(capsys), "playbook")


def written(folder: Path) -> Path:
    """``RULES`` as a file: three bullets, and one that will wait for a person."""
    path = folder / "rules.md"
    path.write_text(RULES)
    return path


def saved(home: Path, name: str = "mine") -> History:
    """A playbook as it lies on the disk."""
    return files.load(home / "playbooks", name)


def texts(home: Path, name: str = "mine") -> list[str]:
    """What its bullets say."""
    return [bullet.text for bullet in saved(home, name).playbook.bullets]
