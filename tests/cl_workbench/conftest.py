"""Sessions that are closed after the test, documents to learn, and the program to run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_engine import Script
from session_recorder import Recorder, Start

from cl_workbench.cli import run
from tests.cl_workbench.command_line import TEXT, quick, save_tiny


@pytest.fixture
def started() -> Iterator[Start]:
    recorders: list[Recorder] = []

    def start(script: Script | None = None, **options: object) -> Recorder:
        recorder = Recorder(script, **options)
        recorders.append(recorder)
        recorder.session.start()
        return recorder

    yield start
    for recorder in recorders:
        recorder.script.go.set()
        assert recorder.session.close(30)


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "harbour.md"
    path.write_text("# Harbour\n\nThe light turns twice a minute.", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with a tiny real model."""
    return save_tiny(tmp_path_factory.getbasetemp() / "tiny-llama")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home and a cache of this test's own."""
    monkeypatch.setenv("CL_WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CL_WORKBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "home"


@pytest.fixture
def mill(tmp_path):
    """A short document."""
    path = tmp_path / "mill.md"
    path.write_text(TEXT)
    return path


@pytest.fixture
def call(capsys, model, home):
    """Run the program with the tiny model; gives exit code, stdout and stderr."""

    def run_quickly(*arguments):
        code = run([*quick(model), *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_quickly
