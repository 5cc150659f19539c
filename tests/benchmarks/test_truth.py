"""Conditions, rows and tables of the truth benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import reporting
import torch
import ttt_truth
from conditions import CONDITIONS, PARTS, ranked_as, settings_of
from truth_tables import (
    learned_table,
    markdown,
    overlap_correlation,
    publish_tables,
    sequence_figures,
)

from engines.host import ModelHost
from engines.ttt import gating
from tests.engines.tiny import tiny_model, tiny_tokenizer


def test_random_opens_as_many_neurons_as_the_gate_and_others() -> None:
    score = torch.arange(2000.0).repeat(2, 1)
    gate = gating.open_neurons(score, 0.75, None)
    with ranked_as("random", 3):
        drawn = gating.open_neurons(score, 0.75, None)
    with ranked_as("gate", 3):
        same = gating.open_neurons(score, 0.75, None)
    assert [len(row) for row in drawn] == [len(row) for row in gate] == [500, 500]
    assert all(torch.equal(a, b) for a, b in zip(same, gate, strict=True))
    shared = len(set(drawn[0].tolist()) & set(gate[0].tolist()))
    assert 75 < shared < 175  # a quarter of 500, not all of them


def test_conditions_differ_in_what_they_are_named_after() -> None:
    def made(name: str) -> Any:
        return settings_of(name, target=1.2, passes=30, seed=1, changed={})

    assert all(made(name).target_loss == 1.2 for name in CONDITIONS)
    assert made("all").gate_threshold == 0.0 < made("gate").gate_threshold
    assert made("gate").retention == 0.0 < made("gate+kl").retention
    assert made("gate").held_out_budget_percent is None
    assert made("gate+kl+guard").forgetting_budget is not None
    assert made("gate+kl+guard").guard_every_batches == 0 < made("gate").guard_every_batches
    assert made("self_study").objective == "self_study"
    assert {c for part in PARTS.values() for c in part} <= set(CONDITIONS)


def test_a_row_that_two_parts_need_is_measured_once() -> None:
    settings = ttt_truth.Settings(parts=("gates", "retention"), seeds=2)
    found = list(ttt_truth.jobs(settings, ["one", "two"]))
    assert len(found) == len(set(found))
    learned = [job for job in found if job.kind == "learn"]
    assert len(learned) == 2 * 2 * len({*PARTS["gates"], *PARTS["retention"]})


def test_a_stopped_run_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ttt_truth, "ROWS", tmp_path / "rows.jsonl")
    host = ModelHost(model=tiny_model(), tokenizer=tiny_tokenizer())
    settings = ttt_truth.Settings(
        parts=("gates",), documents=1, seeds=1, passes=1, arc=2, trivia=2, conditions=("all",)
    )
    ttt_truth.run(host, settings)
    lines = (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["before", "before", "learn"]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines[:2]) + "\n", encoding="utf-8")
    ttt_truth.run(host, settings)
    ttt_truth.run(host, settings)
    again = (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in again] == ["before", "before", "learn"]
    assert json.loads(again[2])["nll"] == json.loads(lines[2])["nll"]


def test_a_sequence_measures_every_document_after_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ttt_truth, "ROWS", tmp_path / "rows.jsonl")
    host = ModelHost(model=tiny_model(), tokenizer=tiny_tokenizer())
    settings = ttt_truth.Settings(
        parts=("sequence",), documents=2, seeds=1, passes=1, arc=2, trivia=2, conditions=("all",)
    )
    ttt_truth.run(host, settings)
    row = ttt_truth.rows()[-1]
    assert row["kind"] == "sequence"
    assert sorted(row["order"]) == sorted(r["document"] for r in ttt_truth.rows()[1:3])
    assert [len(row["nll_matrix"]), len(row["nll_matrix"][0])] == [3, 2]
    assert list(row["overlaps"][1]) == [row["order"][0]]
    monkeypatch.setattr(reporting, "RESULTS", tmp_path)
    publish_tables(ttt_truth.rows(), "embedded", 1.2, {})
    assert "| forgetting, cloze recall |" in capsys.readouterr().out
    published = json.loads((tmp_path / "ttt_truth.json").read_text(encoding="utf-8"))
    assert published["sequence"]["all"]["BWT, −NLL"]["n"] == 1


def rows() -> list[dict[str, Any]]:
    before = {"kind": "before", "condition": "before", "seed": 0}
    found: list[dict[str, Any]] = [
        before | {"document": "(unrelated)", "held_out_nll": 2.0, "arc": 0.5, "trivia_nll": 4.0},
        before | {"document": "one", "nll": 3.0, "cloze": 0.1, "f1": 0.0, "answer_nll": 4.0,
                  "f1_in_context": 0.5, "answer_nll_in_context": 2.0},
    ]  # fmt: skip
    for seed, held_out in enumerate((2.1, 2.3)):
        found.append(
            {"kind": "learn", "condition": "gate", "document": "one", "seed": seed, "nll": 1.0,
             "cloze": 0.6, "held_out_nll": held_out, "arc": 0.45, "learn": {"passes": 4}}
        )  # fmt: skip
    return found


def test_the_table_shows_before_in_context_and_after() -> None:
    values, cells = learned_table(rows(), ("gate", "all"))
    assert values["gate"]["held-out NLL change (%)"]["mean"] == pytest.approx(10.0)
    assert values["gate"]["ARC-easy change"]["mean"] == pytest.approx(-0.05)
    assert values["gate"]["document NLL"]["n"] == 1  # seeds of one document are one sample
    text = markdown(cells)
    assert "| figure | before | in context | gate |" in text
    assert "| cloze recall | 0.100 [0.100, 0.100] |  | 0.600 [0.600, 0.600] |" in text
    assert "| documents × seeds |  |  | 2 |" in text


def test_a_sequence_gives_transfer_forgetting_and_what_overlap_foretold() -> None:
    row = {
        "order": ["one", "two", "three"],
        "nll_matrix": [[3, 3, 3], [1, 3, 3], [1.5, 1, 3], [1.75, 2, 1]],
        "cloze_matrix": [[0, 0, 0], [0.8, 0, 0], [0.6, 0.8, 0], [0.5, 0.6, 0.8]],
        "held_out": [2.0, 2.0, 2.0, 2.02],
        "overlaps": [{}, {"one": 0.4}, {"one": 0.2, "two": 0.6}],
        "reports": [{"learn": {"seconds": 10.0}}] * 3,
        "arc": 0.4,
    }
    found = sequence_figures(row, {"arc": 0.5})
    assert found["BWT, −NLL"] == pytest.approx(-(0.75 + 1.0) / 2)
    assert found["forgetting, cloze recall"] == pytest.approx((0.3 + 0.2) / 2)
    assert found["held-out NLL change (%)"] == pytest.approx(1.0)
    assert (found["ARC-easy before"], found["ARC-easy after"]) == (0.5, 0.4)
    assert overlap_correlation(row) == pytest.approx(1.0)
    assert found["seconds"] == 30.0
