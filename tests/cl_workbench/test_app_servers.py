"""Looking at servers on screen: what answers, fetching a model, taking one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from scripted_ace_app import ace_bench
from scripted_app import SMALL, WIDE, Bench, make_bench, run
from textual.widgets import Input

from cl_workbench.screens.servers import ServersScreen
from cl_workbench.server_work import Job
from cl_workbench.settings import Settings
from tests.engines.language_models.scripted_ollama import (
    UNTIL_LEFT,
    Reply,
    Scripted,
    failed,
    line,
    scripted,
)
from widgets.record_table import RecordTable

MODELS = (
    {"name": "qwen3.5:9b", "size": 6_600_000_000,
     "details": {"parameter_size": "9.7B", "quantization_level": "Q4_K_M"}},
    {"name": "[b]odd[/b]:1b", "size": 900_000_000, "details": {}},
)  # fmt: skip
by_size = pytest.mark.parametrize("size", [SMALL, WIDE, (200, 50)])


def replies(*models: dict[str, object]) -> dict[str, list[Reply]]:
    """Ollama with these models."""
    return {
        "/api/version": [Reply([line(version="0.12.3")])],
        "/api/tags": [Reply([line(models=list(models))])],
    }


@pytest.fixture
def serve() -> Iterator[object]:
    """Starts servers that end with the test."""
    with ExitStack() as stack:
        yield lambda **more: stack.enter_context(scripted({**replies(*MODELS), **more}))


def bench_at(folder: Path, address: str) -> Bench:
    bench = ace_bench(folder)
    bench.app.settings.set_user("server.address", address)
    return bench


async def opened(bench: Bench) -> None:
    await bench.sees("ready")
    await bench.press("S")
    await bench.until(lambda: isinstance(bench.app.screen, ServersScreen))


def test_f1_names_every_key(tmp_path: Path, serve: object) -> None:
    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.press("f1")
        await bench.sees("Let Ollama fetch a model by its name")
        await bench.sees("F1")
        await bench.press("escape")
        await bench.until(lambda: isinstance(bench.app.screen, ServersScreen))

    run(bench_at(tmp_path, "http://127.0.0.1:9"), body, SMALL)


@by_size
def test_a_model_is_taken_and_kept_in_the_settings(
    tmp_path: Path, serve: object, size: tuple[int, int]
) -> None:
    server: Scripted = serve()  # type: ignore[operator]

    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.sees("Ollama 0.12.3 answers, 2 models")
        for part in ("32,768", "6.6 GB", "9.7B Q4_K_M", "[b]odd[/b]:1b", "no key"):
            assert part in bench.text, part
        await bench.press("j", "enter")
        await bench.until(lambda: bench.app.screen is bench.screen)
        await bench.until(lambda: "[b]odd[/b]:1b" in bench.text.splitlines()[0])
        kept = Settings.load(bench.app.home, environment={})
        assert kept.get("server.dialect") == "ollama"
        assert kept.get("server.model") == "[b]odd[/b]:1b"
        assert kept.get("server.address") == server.address

    run(bench_at(tmp_path, server.address), body, size)


@by_size
def test_where_nothing_answers_it_says_what_to_run(tmp_path: Path, size: tuple[int, int]) -> None:
    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.sees("Nothing answers at http://127.0.0.1:9")
        await bench.sees("'ollama pull NAME'")
        assert "pull a model" not in bench.text.splitlines()[-1]
        await bench.press("enter", "p", "escape")
        await bench.until(lambda: bench.app.screen is bench.screen)
        assert bench.app.settings.get("server.dialect") == "local"

    run(bench_at(tmp_path, "http://127.0.0.1:9"), body, size)


def test_another_address_is_looked_at_and_kept_only_with_a_model(
    tmp_path: Path, serve: object
) -> None:
    server: Scripted = serve()  # type: ignore[operator]

    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.sees("Nothing answers")
        await bench.press("a")
        await bench.sees("The server's address")
        line_ = bench.app.screen.query_one(Input)
        line_.value = "http://me:secret@host"
        await bench.press("enter")
        await bench.sees("a name or a password inside")
        line_.value = server.address
        await bench.press("enter")
        await bench.sees("2 models")
        assert bench.app.settings.get("server.address") == "http://127.0.0.1:9"

    run(bench_at(tmp_path, "http://127.0.0.1:9"), body)


def test_a_silent_server_is_left_at_once(tmp_path: Path, serve: object) -> None:
    server: Scripted = serve(**{"/api/version": [Reply([UNTIL_LEFT])]})  # type: ignore[operator]

    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.sees("asking it…")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)
        await bench.press("3")
        await bench.until(lambda: "read" in bench.panes.visible_panes)

    run(bench_at(tmp_path, server.address), body)


def test_a_model_is_fetched_with_its_progress(tmp_path: Path, serve: object) -> None:
    go = threading.Event()
    server: Scripted = serve(  # type: ignore[operator]
        **{"/api/pull": [Reply([
            line(status="pulling manifest"),
            line(status="pulling 6a07", total=4_000_000_000, completed=1_500_000_000),
            go, line(status="success"),
        ])]}
    )  # fmt: skip

    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.sees("2 models")
        await bench.press("p")
        await bench.sees("A model for Ollama to fetch")
        await bench.type("smol:1b")
        await bench.sees("Fetching smol:1b: pulling 6a07, 1.5 GB of 4.0 GB; esc stops it.")
        await bench.sees("38%")
        go.set()
        await bench.sees("Fetched smol:1b.")
        await bench.until(lambda: len(server.asked("/api/tags")) == 2)
        assert server.asked("/api/pull")[0].body["model"] == "smol:1b"

    run(bench_at(tmp_path, server.address), body)


def test_esc_stops_fetching_and_a_failure_is_told(tmp_path: Path, serve: object) -> None:
    server: Scripted = serve(  # type: ignore[operator]
        **{"/api/pull": [Reply([line(status="pulling manifest"), UNTIL_LEFT]),
                         failed(500, "no such model")]}
    )  # fmt: skip

    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.sees("2 models")
        for told in ("Stopped fetching smol:1b", "could not fetch 'smol:1b'"):
            await bench.press("p")
            await bench.sees("A model for Ollama")
            await bench.type("smol:1b")
            if told.startswith("Stopped"):
                await bench.sees("pulling manifest")
                await bench.press("escape")
            await bench.sees(told)
        assert server.left.wait(30)
        assert isinstance(bench.app.screen, ServersScreen)

    run(bench_at(tmp_path, server.address), body)


def test_the_loaded_model_takes_the_roles_again(tmp_path: Path, serve: object) -> None:
    server: Scripted = serve()  # type: ignore[operator]
    bench = bench_at(tmp_path, server.address)
    bench.app.settings.set_user("server.model", "qwen3.5:9b")
    bench.app.settings.set_user("server.dialect", "ollama")

    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.sees("taken by qwen3.5:9b at")
        await bench.until(lambda: bench.app.screen.query_one(RecordTable).records)
        marks = [record.marked for record in bench.app.screen.query_one(RecordTable).records]
        assert marks == [True, False]
        bench.app.screen.dismiss = lambda result=None: None  # type: ignore[method-assign,assignment]
        await bench.press("l")
        assert bench.app.settings.get("server.dialect") == "local"

    run(bench, body)


def test_with_another_engine_it_is_saved_for_ace(tmp_path: Path, serve: object) -> None:
    server: Scripted = serve()  # type: ignore[operator]
    bench = make_bench(tmp_path)
    bench.app.settings.set_user("server.address", server.address)

    async def body(bench: Bench) -> None:
        await opened(bench)
        await bench.sees("2 models")
        await bench.press("enter")
        await bench.until(lambda: bench.app.screen is bench.screen)
        await bench.until(
            lambda: any("--engine ace" in n.message for n in bench.app._notifications)
        )
        assert "SmolLM2" in bench.text.splitlines()[0]
        assert bench.app.settings.get("server.model") == "qwen3.5:9b"

    run(bench, body)


def test_a_job_that_was_left_tells_nothing_and_a_crash_is_one_sentence() -> None:
    told: list[object] = []

    def steps() -> Iterator[object]:
        yield 1
        raise RuntimeError("secret details")

    job = Job(steps, lambda job, value: told.append(value), lambda job, why: told.append(why))
    assert job.start().join(30)
    assert told[0] == 1
    assert "RuntimeError" in str(told[1])
    assert "secret" not in str(told[1])
    left = Job(steps, lambda job, value: told.append("no"), lambda job, why: told.append("no"))
    left.leave()
    assert left.start().join(30)
    assert "no" not in told
