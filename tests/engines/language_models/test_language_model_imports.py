"""Asking a server needs no model library: the screen does it before torch is loaded."""

from __future__ import annotations

import subprocess
import sys

MODULES = ("protocol", "check", "ollama", "pulling", "openai_server", "structured", "schemas")


def test_everything_but_the_local_model_is_free_of_torch():
    script = "import sys\n"
    script += "".join(f"import engines.language_models.{name}\n" for name in MODULES)
    script += "print({'torch', 'transformers', 'textual', 'llguidance'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()"
