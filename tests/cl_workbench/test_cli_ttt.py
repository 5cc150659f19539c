"""All that a command can ask of the real engine, once through, with a tiny model."""

import json

import pytest

from cl_workbench.cli import run
from tests.cl_workbench.command_line import TEXT, quick, save_tiny

EAGER = [
    *("--set", "ttt.learning_rate=0.02"),
    *("--set", "held_out.budget_percent=null"),
    *("--set", "ttt.objective=auto"),
]


@pytest.fixture
def call(capsys, tmp_path_factory, monkeypatch, tmp_path):
    monkeypatch.setenv("CL_WORKBENCH_CACHE", str(tmp_path / "cache"))
    model = save_tiny(tmp_path_factory.getbasetemp() / "tiny-llama")

    def run_quickly(*arguments):
        code = run([*quick(model), *EAGER, *map(str, arguments), "--json"])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return json.loads(captured.out)

    return run_quickly


def test_a_document_is_studied_learned_compared_and_taken_back(call, tmp_path):
    mill, other, items = tmp_path / "mill.md", tmp_path / "other.md", tmp_path / "items.jsonl"
    mill.write_text(TEXT)
    other.write_text(TEXT.replace("Orr", "Ull").replace("rye", "coal"))

    plan = call("study", mill, "--write", items)
    assert plan["items"] and plan["written"] == str(items)
    (learned,) = call("learn", mill, "--items", items, "--save", "kept")["documents"]
    assert learned["study_items"] == len(plan["items"])
    assert learned["objective"] == plan["objective"]

    (foreseen,) = call("overlap", other, "--load", "kept")["documents"]
    (second,) = call("learn", other, "--load", "kept", "--save", "kept")["documents"]
    assert foreseen["overlaps"] == second["overlaps"]
    assert foreseen["overlaps"][0]["title"] == "The mill at Orr"

    ledger = call("ledger", "kept")["documents"]
    assert [row["title"] for row in ledger] == ["The mill at Orr", "The mill at Ull"]
    assert all(row["bytes"] > 0 for row in ledger)
    assert call("ledger", "kept", "mute", "the mill at ull", "--save", "half")["documents"][1][
        "muted"
    ]

    both, alone = (share(call, mill, name) for name in ("kept", "half"))
    call("ledger", "kept", "forget", "The mill at Orr", "--save", "less")
    remains = share(call, mill, "less")
    assert 0 < remains < min(both, alone)

    answers = call("ask", "Who?", "--load", "kept", "--knock-out", "--alpha", "1,0")
    at_base = {record["answer"] for record in answers if record["alpha"] == 1}
    assert len(answers) == 6
    assert len(at_base) == 1
    assert len({record["answer"] for record in answers}) > 1


def share(call, path, name):
    """How much better than the base the checkpoint ``name`` predicts the document."""
    return call("recall", path, "--load", name)["documents"][0]["share"]
