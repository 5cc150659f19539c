"""The examples in the docs run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.embedded
@pytest.mark.parametrize(
    ("page", "printed"),
    [
        ("docs/python.md", "nats per token"),
        ("docs/jitrl.md", "nats per token"),
        ("docs/ace.md", "generator"),
    ],
)
def test_the_examples_run_in_order(page, printed, embedded_path, capsys):
    blocks = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert blocks
    namespace: dict[str, object] = {}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"{page}, example {number}", "exec"), namespace)  # noqa: S102
    assert printed in capsys.readouterr().out
