from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cl_workbench.stderr_guard import stderr_to

PROGRAM = """
import os, sys
from pathlib import Path
from cl_workbench.stderr_guard import stderr_to

with stderr_to(Path(sys.argv[1])):
    os.write(2, b"native noise\\n")
    print("drawn", file=sys.__stderr__)
    print("told", file=sys.stderr)
os.write(2, b"afterwards\\n")
print("still told", file=sys.stderr)
"""


def test_only_what_native_code_writes_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "the.log"
    command = [sys.executable, "-c", PROGRAM, str(log)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert log.read_text(encoding="utf-8") == "native noise\n"
    assert sorted(done.stderr.split("\n")) == ["", "afterwards", "drawn", "still told", "told"]


def test_a_log_that_cannot_be_opened_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    before = sys.stderr
    with stderr_to(tmp_path / "file" / "the.log"):
        assert sys.stderr is before
