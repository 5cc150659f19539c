"""What is saved is put in order from the command line, without a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cl_workbench.assembly import engine_names
from cl_workbench.cli import run
from engines import checkpoints
from tests.cl_workbench.test_import_rules import HEAVY, imported


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CL_WORKBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "checkpoints"


def call(capsys, *arguments):
    code = run(["checkpoints", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def save(root: Path, name: str, *titles: str, **values: object) -> None:
    documents = [
        {
            "id": f"{len(title):012x}",
            "title": title,
            "tokens": 1_500,
            "loss_before": 3.2,
            "loss_after": 1.25,
            "held_out_loss_before": 3.0,
            "held_out_loss_after": 3.03,
            "muted": title == "The mill",
        }
        for title in titles
    ]
    manifest = {
        "engine": "ttt",
        "model": "tiny",
        "fingerprint": "f",
        "alpha": 0.5,
        "saved_at": "2025-01-01T00:00:00+00:00",
        "settings": {"objective": "mixed", "target_loss": None},
        "documents": documents,
    }
    parts = {str(document["id"]): {"values": torch.ones(50_000)} for document in documents}
    checkpoints.write(root / name, manifest | values, parts)


def test_the_list_tells_of_each_and_of_what_is_wrong(root, capsys):
    save(root, "mill", "The mill", "The harbour")
    save(root, "torn", "The mill")
    (root / "torn" / "manifest.json").write_text("{")
    code, out, _ = call(capsys, "list")
    heading, line, fault = out.splitlines()
    assert code == 0
    assert heading.split() == ["NAME", "DOCUMENTS", "ALPHA", "SIZE", "SAVED", "ENGINE", "MODEL"]
    assert line.split() == [
        "mill", "2", "0.50", "0.4", "MB", "2025-01-01", "00:00", "ttt", "tiny",
    ]  # fmt: skip
    assert fault.startswith("torn: The checkpoint 'torn' has a damaged manifest")
    record = json.loads(call(capsys, "list", "--json")[1])
    assert record["folder"] == str(root)
    assert [(entry["name"], entry["fault"] is None) for entry in record["checkpoints"]] == [
        ("mill", True),
        ("torn", False),
    ]


def test_nothing_saved_says_how_to_save(root, capsys):
    assert "learn PATH --save NAME" in call(capsys, "list")[1]
    assert json.loads(call(capsys, "list", "--json")[1])["checkpoints"] == []


def test_showing_one_gives_its_documents_and_settings(root, capsys):
    save(root, "mill", "The mill", "The harbour")
    code, out, _ = call(capsys, "show", "mill")
    assert code == 0
    assert out.startswith("mill: 2 documents learned by ttt on tiny, alpha 0.50, 0.4 MB, saved ")
    for part in ("The mill", "muted", "1,500", "3.20", "1.25", "+1.0 %", "objective: mixed"):
        assert part in out
    record = json.loads(call(capsys, "show", "mill", "--json")[1])
    assert [document["title"] for document in record["documents"]] == ["The mill", "The harbour"]
    assert record["settings"]["target_loss"] is None
    assert len(record["parts"]) == 2


def test_showing_one_finds_a_flipped_bit(root, capsys):
    save(root, "mill", "The mill")
    (file,) = (root / "mill").glob("*.safetensors")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    code, out, err = call(capsys, "show", "mill")
    assert (code, out) == (1, "")
    assert "is damaged in its part" in err
    assert len(err.splitlines()) == 1


def test_two_are_compared(root, capsys):
    save(root, "a", "The mill", "The harbour")
    save(root, "b", "The harbour", "The aviary of birds", settings={"objective": "next_token"})
    code, out, _ = call(capsys, "compare", "a", "b")
    assert code == 0
    lines = {title: line for title in ("The mill", "The harbour", "The aviary of birds")
             for line in out.splitlines() if title in line}  # fmt: skip
    assert lines["The harbour"].split()[-2:] == ["1.25", "1.25"]
    assert lines["The mill"].endswith("1.25 (muted)  not learned")
    assert lines["The aviary of birds"].split()[-3:] == ["not", "learned", "1.25"]
    assert "objective: mixed in a, next_token in b" in out
    record = json.loads(call(capsys, "compare", "a", "b", "--json")[1])
    assert record["same_model"] is True
    assert record["settings"] == {"objective": {"a": "mixed", "b": "next_token"}}


def test_renaming_and_deleting(root, capsys):
    save(root, "mill", "The mill")
    save(root, "other", "The mill")
    assert call(capsys, "rename", "mill", "elm")[:2] == (0, "mill is elm now.\n")
    code, _, err = call(capsys, "rename", "elm", "other")
    assert code == 1
    assert "choose another name" in err
    code, out, _ = call(capsys, "delete", "elm", "--yes")
    assert code == 0
    assert out == "Deleted elm; 0.2 MB are free again.\n"
    assert {path.name for path in root.iterdir()} == {"other"}
    record = json.loads(call(capsys, "delete", "other", "--yes", "--json")[1])
    assert (record["deleted"], record["left"]) == ("other", [])


def test_deleting_asks_and_without_a_terminal_wants_yes(root, capsys, monkeypatch):
    save(root, "mill", "The mill")
    code, _, err = call(capsys, "delete", "mill")
    assert code == 2
    assert "add --yes" in err
    monkeypatch.setattr("cl_workbench.commands.checkpoints.is_interactive", lambda: True)
    asked = []

    def no(question: str, **how: object) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr("click.confirm", no)
    code, _, err = call(capsys, "delete", "mill")
    assert (code, err) == (1, "mill stays.\n")
    assert asked == ["Delete mill (1 document, 0.2 MB) for good?"]
    assert (root / "mill").is_dir()


@pytest.mark.parametrize("words", ["show x", "compare x x", "rename x y", "delete x --yes"])
def test_one_that_is_not_there_is_named(root, capsys, words):
    code, out, err = call(capsys, *words.split())
    assert (code, out) == (1, "")
    assert "There is no checkpoint 'x'" in err


def test_a_name_that_leaves_the_folder_is_wrong_use(root, capsys):
    assert call(capsys, "delete", "../up", "--yes")[0] == 2


@pytest.mark.parametrize("words", ["list", "show mill", "compare mill mill", "delete mill --yes"])
def test_none_of_it_needs_a_model_library_or_the_screen(root, words):
    save(root, "mill", "The mill")
    statement = (
        f"from cl_workbench.cli import run; assert run({['checkpoints', *words.split()]}) == 0"
    )
    assert imported(statement).isdisjoint(HEAVY)


def test_neither_does_the_history():
    call = "from cl_workbench.cli import run; assert run(['history']) == 0"
    assert imported(call).isdisjoint(HEAVY)


def test_fresh_goes_with_no_command(root, capsys):
    assert run(["--fresh", "checkpoints", "list"]) == 2
    assert "--fresh is for the workbench" in capsys.readouterr().err


def test_an_engine_before_a_command_is_wrong_use(root, capsys):
    assert run(["--engine", "ttt", "checkpoints", "list"]) == 2
    assert "a command takes its own --engine after its name" in capsys.readouterr().err


def test_an_engine_that_is_none_is_wrong_use_and_the_engines_are_named(root, capsys):
    assert run(["--engine", "magic"]) == 2
    assert "ttt" in capsys.readouterr().err


def test_another_engine_without_a_terminal_is_one_sentence(root, capsys):
    assert run(["--engine", engine_names()[-1]]) == 1
    told = capsys.readouterr().err
    assert "needs a terminal" in told
    assert f"learn FILE --engine {engine_names()[-1]}" in told
