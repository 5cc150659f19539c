"""Asking a server needs no model library: the screen does it before torch is loaded."""

from __future__ import annotations

import subprocess
import sys


def test_everything_but_the_local_model_is_free_of_torch():
    script = (
        "import importlib, pkgutil, sys, engines.language_models as here\n"
        "for found in pkgutil.iter_modules(here.__path__, f'{here.__name__}.'):\n"
        "    if not found.name.endswith('.local'):\n"
        "        importlib.import_module(found.name)\n"
        "heavy = {'torch', 'transformers', 'textual', 'llguidance', 'engines.host'}\n"
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()"
