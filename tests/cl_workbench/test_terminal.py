"""One session with the real program, the real model and a pseudo-terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte
import pytest

ROOT = Path(__file__).resolve().parents[2]
COLUMNS, LINES = 120, 36
PATIENCE_SECONDS = 180
TEXT = "# The mill at Orr\n\nThe mill at Orr was built in 1811 by Hanne Lund. It grinds rye."


class Terminal:
    """A terminal of 120x36 in which a program runs."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.child = pexpect.spawn(
            command[0],
            command[1:],
            cwd=str(folder),
            env=environment,
            dimensions=(LINES, COLUMNS),
            timeout=PATIENCE_SECONDS,
        )

    @property
    def text(self) -> str:
        """What stands in the terminal."""
        return "\n".join(self._screen.display)

    def until(self, condition: Callable[[str], bool]) -> None:
        """Feed what the program writes until ``condition`` holds for the text."""
        while not condition(self.text):
            try:
                self._stream.feed(self.child.read_nonblocking(65_536, PATIENCE_SECONDS))
            except (pexpect.EOF, pexpect.TIMEOUT) as error:
                raise AssertionError(f"{type(error).__name__}; on screen:\n{self.text}") from error

    def sees(self, words: str) -> None:
        """Wait until ``words`` stand on screen."""
        self.until(lambda text: words in text)

    def ended(self) -> int | None:
        """Read to the end and return the exit code."""
        self._stream.feed(self.child.read())
        self.child.close()
        return self.child.exitstatus


@pytest.mark.terminal
@pytest.mark.embedded
def test_learn_a_file_see_it_in_the_ledger_and_quit(tmp_path: Path, embedded_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "mill.md").write_text(TEXT, encoding="utf-8")
    options = ["--home", str(tmp_path / "home"), "--set", "model.name=embedded"]
    options += ["--set", "ttt.gradient_steps=1", "--set", "model.device=cpu"]
    terminal = Terminal([sys.executable, "-m", "cl_workbench", *options], documents)
    try:
        terminal.sees("mill.md")
        terminal.sees("Nothing is being learned")
        terminal.sees("SmolLM2-135M")
        terminal.child.send("j")
        terminal.child.send("l")
        terminal.sees("Learned The mill at Orr in")
        terminal.sees(" 1 The mill at Orr")
        terminal.sees("1 learned")
        terminal.child.send("\x11")  # ctrl+q
        assert terminal.ended() == 0
    finally:
        terminal.child.close(force=True)
