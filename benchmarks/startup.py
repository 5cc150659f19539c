"""Time to first paint of the workbench, over that of a bare Textual app.

    python benchmarks/startup.py [--runs 15]

Both are started in a pseudo-terminal of 120x36, in turn, and timed until their first text
arrives; the ratio of each pair counts, so a slow machine slows both.  The workbench's model
library must not be imported by then: the same start is repeated with Python's import log.
"""

from __future__ import annotations

import argparse
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

from reporting import publish, summary

BARE = """
from textual.app import App
from textual.widgets import Static

class Bare(App):
    def compose(self):
        yield Static("first paint")

Bare().run()
"""


@dataclass(frozen=True)
class Settings:
    runs: int = 15
    seconds: float = 60.0
    columns: int = 120
    rows: int = 36


def first_paint(command: list[str], marker: bytes, settings: Settings, home: str) -> float:
    """Seconds from start to the first ``marker`` on the terminal; the program is then ended."""
    parent, child = pty.openpty()
    ioctl(child, TIOCSWINSZ, struct.pack("HHHH", settings.rows, settings.columns, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "CL_WORKBENCH_HOME": home}
    began = time.perf_counter()
    program = subprocess.Popen(
        command, stdin=child, stdout=child, stderr=child, env=environment, start_new_session=True
    )
    os.close(child)
    seen = b""
    try:
        while marker not in seen:
            left = settings.seconds - (time.perf_counter() - began)
            if left <= 0 or not select.select([parent], [], [], left)[0]:
                raise SystemExit(f"{' '.join(command)} painted nothing in {settings.seconds} s")
            seen += os.read(parent, 65536)
        return time.perf_counter() - began
    finally:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()
        os.close(parent)


def imported_before_run(name: str) -> bool:
    """Whether the workbench's own imports pull in ``name``."""
    code = f"import sys, cl_workbench.app; print({name!r} in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return out.stdout.strip() == "True"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=Settings.runs)
    settings = Settings(runs=parser.parse_args().runs)
    bare, ours = [], []
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "bare.py"
        script.write_text(BARE, encoding="utf-8")
        for run in range(settings.runs + 1):
            pair = (
                first_paint([sys.executable, str(script)], b"first paint", settings, folder),
                first_paint([sys.executable, "-m", "cl_workbench"], b"Workbench", settings, folder),
            )
            if run:  # the first pair fills the disk cache
                bare.append(pair[0])
                ours.append(pair[1])
    ratios = [b / a for a, b in zip(bare, ours, strict=True)]
    torch_imported = imported_before_run("torch")
    result = {
        "bare_seconds": summary(bare),
        "workbench_seconds": summary(ours),
        "ratio": summary(ratios),
        "torch_imported_before_first_paint": torch_imported,
    }
    rows = [["figure", "mean", "95 % interval", "n"]]
    for name in ("bare_seconds", "workbench_seconds", "ratio"):
        cell = result[name]
        low, high = cell["interval"]
        rows.append([name, f"{cell['mean']:.3f}", f"{low:.3f} to {high:.3f}", str(cell["n"])])
    rows.append(["torch imported before first paint", str(torch_imported), "", ""])
    publish("startup", result, rows)


if __name__ == "__main__":
    main()
