"""The program around the engine of words, in this process or as one of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from cl_workbench import assembly
from cl_workbench.cli import run
from tests.cl_workbench.word_engine import Ways, WordEngine, WordHost

MILL = "# The mill at Orr\n\nHanne Lund built the mill. It grinds rye and oats for nine farms."
PIER = "# The pier\n\nThe pier is made of elm, and nine boats lie at it."
KILN = "# The kiln\n\nBricks glow in the kiln at dusk."

Call = Callable[..., tuple[int, str, str]]


def use_words(monkeypatch: pytest.MonkeyPatch, ways: Ways) -> None:
    """Let the commands open an engine of words, and no model."""
    monkeypatch.setattr(assembly, "build_host", lambda settings, report: WordHost())
    monkeypatch.setattr(assembly, "build_engine", lambda name, host, settings: WordEngine(ways))


def caller(capsys: pytest.CaptureFixture[str]) -> Call:
    """A function that runs the program and gives its exit code, stdout and stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        use_words(patch, Ways(pause=True))
        sys.exit(run(sys.argv[1:]))
