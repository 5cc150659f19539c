"""Pictures of learning by questions, of a trace and of the servers, at three sizes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scripted_ace_app import (
    QUESTIONS,
    SETTINGS,
    PacedRoles,
    ace_bench,
    learn_by_questions,
    learned,
    roles,
)
from scripted_app import Bench
from test_app_ace_rating import answered, rater
from test_app_snapshots import Compare, picture

from cl_workbench.screens import servers
from cl_workbench.screens.trace import TraceScreen
from engines.ace.engine import AceEngine
from engines.language_models.check import ServedModel, ServerReport
from engines.protocol import Document

SIZES = [(80, 24), (120, 36), (200, 50)]
by_size = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
ADDRESS = "http://localhost:11434"
REPORT = ServerReport(
    ADDRESS, "ollama", "Ollama", "0.12.3",
    (ServedModel("qwen3.5:9b", 32_768, 6_600_000_000, "9.7B Q4_K_M"),
     ServedModel("[b]odd[/b]:1b", None, 900_000_000)),
)  # fmt: skip
NOTHING = ServerReport(
    ADDRESS, advice=f"Nothing answers at {ADDRESS}: start it with 'ollama serve'."
)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times in a picture come from a clock that goes on by the same step each time."""
    for module in ("engines.ace.lesson.time", "engines.ace.engine.time"):
        ticks = itertools.count()
        made = SimpleNamespace(perf_counter=lambda ticks=ticks: next(ticks) * 0.1)
        monkeypatch.setattr(module, made)


@pytest.fixture
def model() -> PacedRoles:
    return roles()


@pytest.fixture
def bench(tmp_path: Path, model: PacedRoles) -> Iterator[Bench]:
    made = ace_bench(tmp_path, model)
    yield made
    model.go.set()
    if made.app.session is not None:
        assert made.app.session.close(30)


@by_size
def test_a_curator_at_work(
    snap_compare: Compare, bench: Bench, model: PacedRoles, size: tuple[int, int]
) -> None:
    model.hold = (9, 18)

    async def body(bench: Bench) -> None:
        await learn_by_questions(bench)
        await bench.sees('before you answer."')
        await bench.sees("2,190 tokens")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_learned_by_questions(snap_compare: Compare, bench: Bench, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        await learn_by_questions(bench)
        await learned(bench)
        await bench.sees("Validation on 1")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_a_rating_on_its_way(snap_compare: Compare, tmp_path: Path, size: tuple[int, int]) -> None:
    model = rater()
    bench = ace_bench(tmp_path, model)

    async def body(bench: Bench) -> None:
        await answered(bench)
        model.hold = (len(model.asked) + 2, 1)
        await bench.press("+")
        await bench.sees("the curator changes the playbook")

    try:
        assert snap_compare(bench.app, **picture(bench, body, size))
    finally:
        model.go.set()
        assert bench.app.session is not None
        assert bench.app.session.close(30)


@by_size
def test_a_trace(
    snap_compare: Compare, bench: Bench, tmp_path: Path, size: tuple[int, int]
) -> None:
    engine = AceEngine(roles(), SETTINGS)
    pairs = [(question, (answer,)) for question, answer in QUESTIONS]
    list(engine.learn(Document.from_text("# The harbour\n\nIt turns twice.", questions=pairs)))
    trace = replace(engine.traces[-1], started_at="2025-01-01T12:00:00+00:00")

    async def body(bench: Bench) -> None:
        bench.app.push_screen(TraceScreen([trace], tmp_path))
        await bench.sees("check at first")
        await bench.press("j", "j", "j")
        await bench.sees("curator   loop 1, question 1")

    assert snap_compare(bench.app, **picture(bench, body, size))


def looked_at(monkeypatch: pytest.MonkeyPatch, report: ServerReport) -> None:
    """Let the screen find ``report``."""
    monkeypatch.setattr(servers, "checking", lambda *_: iter_of(report))


def iter_of(report: ServerReport) -> Iterator[Any]:
    yield report


@by_size
def test_a_server_with_models(
    snap_compare: Compare, bench: Bench, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    looked_at(monkeypatch, REPORT)
    for key, value in (("server.dialect", "ollama"), ("server.model", "qwen3.5:9b")):
        bench.app.settings.set_user(key, value)

    async def body(bench: Bench) -> None:
        await bench.press("S")
        await bench.sees("2 models")

    assert snap_compare(bench.app, **picture(bench, body, size))


@by_size
def test_no_server(
    snap_compare: Compare, bench: Bench, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    looked_at(monkeypatch, NOTHING)

    async def body(bench: Bench) -> None:
        await bench.press("S")
        await bench.sees("Nothing answers")

    assert snap_compare(bench.app, **picture(bench, body, size))
