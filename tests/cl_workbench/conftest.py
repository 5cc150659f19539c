"""Sessions that are closed after the test, and a document to learn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_engine import Script
from session_recorder import Recorder, Start


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
