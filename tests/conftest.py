"""Every test has a home of its own; only those marked ``embedded`` see the real model."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# The hub's client reads these when it is imported: no test may ask the network or see
# the models of the person who runs the tests.
_SESSION_HOME = tempfile.TemporaryDirectory(prefix="cl-workbench-tests-")
os.environ["HF_HOME"] = str(Path(_SESSION_HOME.name) / "hub")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program does
for _name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"):
    os.environ.pop(_name, None)

import pytest  # noqa: E402

from engines.models import default_cache, pull  # noqa: E402

REAL_CACHE = default_cache()  # looked up before any test moves the home
_DROPPED = (
    "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PAGER",
    "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
)  # fmt: skip


@pytest.fixture(autouse=True)
def own_home(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A home folder for this test alone, and the same language, time zone and colours."""
    home = tmp_path_factory.mktemp("home")
    for name in [*os.environ]:
        if name in _DROPPED or name.startswith("CL_WORKBENCH_"):
            monkeypatch.delenv(name)
    embedded = request.node.get_closest_marker("embedded") is not None
    cache = REAL_CACHE if embedded else home / "models"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CL_WORKBENCH_HOME", str(home / "workbench"))
    monkeypatch.setenv("CL_WORKBENCH_CACHE", str(cache))
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("TERM", "xterm-256color")
    return home


@pytest.fixture(scope="session")
def embedded_path() -> Path:
    """The folder of the real embedded model, fetched into the user's cache if need be."""
    return pull("embedded", REAL_CACHE)
