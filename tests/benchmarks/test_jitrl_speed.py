"""The stores, the pairs of answers and the figures of the two JitRL speed benchmarks."""

from __future__ import annotations

import ast
import itertools
import sys
from pathlib import Path

import jitrl_package
import jitrl_speed
import pytest
from jitrl_speed import compared, documents, middle, pair, stocked, stored, stores, summaries

from engines.host import ModelHost
from engines.jitrl.full import JitRLFullEngine
from engines.protocol import Piece, Sampling, Turn
from tests.benchmarks.conftest import BENCHMARKS
from tests.engines.learning import tiny_host


@pytest.fixture(scope="module")
def host() -> ModelHost:
    return tiny_host()


def test_documents_hold_all_paragraphs_of_one_article_in_their_order(host: ModelHost) -> None:
    found = list(itertools.islice(documents(host, 600), 3))
    rows = jitrl_speed.rows_of_store()
    paragraphs = [paragraph for document, _ in found for paragraph in document.text.split("\n\n")]
    assert paragraphs == [row["context"] for row in rows[: len(paragraphs)]]
    assert [document.title for document, _ in found] == ["Normans 1", "Normans 2", "Normans 3"]
    assert all(len(host.encode(document.text)) >= 600 for document, _ in found)
    assert found[0][1][0] == "In what country is Normandy located?"


def test_a_store_holds_the_one_before_and_is_read_once(
    host: ModelHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = stores(host, [3000, 400], tmp_path)
    assert list(paths) == [400, 3000]
    small, large = JitRLFullEngine(host), JitRLFullEngine(host)
    small.load(paths[400])
    large.load(paths[3000])
    assert 400 <= stored(small) < 3000 <= stored(large)
    ids = [report.id for report in large.documents]
    assert ids[: len(small.documents)] == [report.id for report in small.documents]
    assert "read" in capsys.readouterr().out
    assert stores(host, [400, 3000], tmp_path) == paths
    assert capsys.readouterr().out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3000-tokens", "400-tokens"]


def test_more_tokens_than_the_store_has_are_refused(
    host: ModelHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = jitrl_speed.rows_of_store()[:1]
    monkeypatch.setattr(jitrl_speed, "rows_of_store", lambda: few)
    with pytest.raises(SystemExit, match="ask for fewer"):
        jitrl_speed.fill(JitRLFullEngine(host), 10**6)


def test_both_write_the_same_number_of_tokens_whatever_would_end_them(host: ModelHost) -> None:
    engine = JitRLFullEngine(host)
    document, questions = next(documents(host, 400))
    list(engine.learn(document))
    asked = [Turn("user", f"{questions[0]} {jitrl_speed.IN_DETAIL}")]
    ends, every = host.end_tokens, frozenset(range(len(host.tokenizer)))
    host.end_tokens = every
    try:
        assert not list(host.reply(asked, Sampling(max_new_tokens=6)))
        found = pair(engine, questions[0], 6, base_first=False)
        assert host.end_tokens is every
    finally:
        host.end_tokens = ends
    assert found["base"]["tokens"] == found["full"]["tokens"] == 6
    assert found["ratio"]["whole"] == found["full"]["whole"] / found["base"]["whole"]
    assert found["base"]["nudged"] == 0


def test_every_condition_has_a_row_for_each_repetition(host: ModelHost, tmp_path: Path) -> None:
    (size, path), *_ = stores(host, [400], tmp_path).items()
    _, questions = next(documents(host))
    one = stocked(host, size, path, tmp_path / "states", questions[0])
    costs = one.costs
    assert costs["stored_tokens"] == stored(one.engine) >= 400
    assert costs["bytes_on_disk_per_token"] > 2 * 32  # the tiny model's states, two bytes each
    assert set(costs["grown_by_loading"]) == {"resident", "mapped_files"}
    settings = jitrl_speed.Settings(repetitions=2, new_tokens=3)
    rows = list(compared([one], questions, settings))
    assert [(row["mix"], row["repetition"]) for row in rows] == [
        ("advantage", 0), ("interpolate", 0), ("advantage", 1), ("interpolate", 1)
    ]  # fmt: skip
    assert [list(row).index("base") < list(row).index("full") for row in rows[::2]] == [True, False]
    found = summaries(rows)
    assert [(each["tokens"], each["mix"]) for each in found] == [
        (400, "advantage"), (400, "interpolate")
    ]  # fmt: skip
    cells = jitrl_speed.table_of(found, [one])
    assert {len(line) for line in cells} == {3}


def test_time_per_token_leaves_the_first_one_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 5.0, 6.0, 8.0, 9.0])
    monkeypatch.setattr(jitrl_speed.time, "perf_counter", lambda: next(clock))
    pieces = [Piece("", tokens=0), Piece("a"), Piece("b"), Piece("c"), Piece("", tokens=0)]
    found = jitrl_speed.timed(iter(pieces))
    assert found == {"tokens": 3, "first": 5.0, "per_token": 1.5, "whole": 9.0, "nudged": 0.0}


def test_the_middle_is_not_moved_by_a_single_slow_run() -> None:
    found = middle([1.0, 1.1, 1.2, 1.1, 1.0, 1.1, 30.0])
    assert found["median"] == 1.1
    assert found["interval"] == [1.0, 1.2]
    assert found["n"] == 7


def test_the_package_is_asked_what_the_sample_document_answers() -> None:
    asked = jitrl_package.drawn(jitrl_package.Settings(questions=3))
    assert len({one.question for one in asked}) == 3
    assert {one.document for one in asked} == {"harbour.md"}
    with pytest.raises(SystemExit, match="ask for 1 to 12"):
        jitrl_package.drawn(jitrl_package.Settings(questions=13))


def test_the_package_is_divided_by_ours_question_by_question() -> None:
    seconds = {
        "package": {"base": 4, "mvp": 6, "full": 8},
        "ours": {"base": 2, "mvp": 4, "full": 2},
    }
    rows = [
        {"program": program, "engine": name, "timed_seconds": each * factor}
        for factor in (1, 10)
        for program, of in seconds.items()
        for name, each in of.items()
    ]
    found = jitrl_package.ratios(rows)
    assert found["full, package over ours"]["mean"] == 4.0
    assert found["package, full over base"]["mean"] == 2.0
    assert found["ours, full over base"]["mean"] == 1.0


def test_our_engines_answer_with_and_without_an_end(host: ModelHost) -> None:
    document, questions = next(documents(host, 400))
    s = jitrl_package.Settings(new_tokens=3, timed_tokens=5)
    rows = list(jitrl_package.our_rows(host, document, questions[0], s))
    assert [row["engine"] for row in rows] == ["base", "mvp", "full"]
    assert {row["timed_tokens"] for row in rows} == {5}
    assert all(row["tokens"] <= 3 for row in rows)


def test_what_runs_beside_the_package_imports_only_its_like() -> None:
    tree = ast.parse((BENCHMARKS / "package_jitrl_child.py").read_text(encoding="utf-8"))
    modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    known = {"__future__", "torch", "continual_learning", "package_child"}
    assert {str(name).split(".")[0] for name in modules} <= known | set(sys.stdlib_module_names)
