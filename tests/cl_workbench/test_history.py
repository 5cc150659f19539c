"""Every learned document leaves a row, and no trouble with that file stops learning."""

from __future__ import annotations

import csv
import io
import json
import logging
import sqlite3
import threading
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine, ScriptedHost

from cl_workbench import assembly
from cl_workbench.cli import run
from cl_workbench.history import COLUMNS, History, learning_settings
from cl_workbench.home import Home
from cl_workbench.settings import Settings
from engines.protocol import EngineError, LearnReport


def report(number: int = 1, **values: object) -> LearnReport:
    fields = {
        "id": f"{number:012x}",
        "title": f"Document {number}",
        "path": f"/texts/{number}.md",
        "tokens": 1_200,
        "tokens_read": 1_000,
        "loss_before": 3.2,
        "loss_after": 1.25,
        "held_out_loss_before": 3.0,
        "held_out_loss_after": 3.03,
        "seconds": 12.5,
        "tokens_per_second": 80.0,
        "gate_open_share": 0.25,
        "alpha": 0.5,
        "learned_at": f"2025-01-01T00:00:{number:02d}+00:00",
        "notes": ("one note", "another"),
        "objective": "mixed",
        "answers_kept": 0.95,
        "answers_probed": 40,
    }
    return LearnReport(**(fields | values))  # type: ignore[arg-type]


def learned(history: History, *numbers: int, **values: object) -> None:
    for number in numbers:
        history.record(report(number, **values), engine="ttt", model="tiny", settings={"seed": 0})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("CL_WORKBENCH_HOME", str(tmp_path / "home"))
    return Home.find()


def call(capsys, *arguments):
    code = run(["history", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_nothing_learned_is_no_row_and_makes_no_file(tmp_path):
    history = History(tmp_path / "history.sqlite3")
    assert history.rows() == []
    assert not history.path.exists()


def test_a_row_holds_what_the_report_says(tmp_path):
    history = History(tmp_path / "home" / "history.sqlite3")
    learned(history, 1)
    (row,) = history.rows()
    assert (row.title, row.document_id, row.objective) == ("Document 1", f"{1:012x}", "mixed")
    assert (row.tokens, row.tokens_read, row.loss_after, row.answers_kept) == (
        1_200, 1_000, 1.25, 0.95,
    )  # fmt: skip
    assert json.loads(row.settings) == {"seed": 0}
    assert row.notes.splitlines() == ["one note", "another"]


def test_the_last_rows_come_in_the_order_they_were_learned(tmp_path):
    history = History(tmp_path / "history.sqlite3")
    learned(history, 1, 2, 3)
    assert [row.title for row in history.rows(2)] == ["Document 2", "Document 3"]
    assert len(history.rows()) == 3


def test_odd_titles_and_figures_are_kept_as_well_as_can_be(tmp_path):
    history = History(tmp_path / "history.sqlite3")
    title = "'); DROP TABLE learned; --"
    learned(history, 1, title=title, path="/texts/\udcff.md", loss_after=float("nan"))
    (row,) = history.rows()
    assert (row.title, row.path, row.loss_after) == (title, "/texts/\\udcff.md", None)


def test_a_damaged_file_is_logged_once_and_learning_goes_on(tmp_path, caplog):
    history = History(tmp_path / "history.sqlite3")
    history.path.write_bytes(b"no database at all" * 100)
    with caplog.at_level(logging.WARNING):
        learned(history, 1, 2)
    assert len(caplog.records) == 1
    with pytest.raises(EngineError, match="is damaged: move it away"):
        history.rows()


def test_a_place_that_can_not_be_written_is_logged_once(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        learned(History(tmp_path / "file" / "history.sqlite3"), 1, 2)
    assert len(caplog.records) == 1


def test_a_locked_file_is_logged_and_left_alone(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("cl_workbench.history.BUSY_SECONDS", 0.01)
    history = History(tmp_path / "history.sqlite3")
    learned(history, 1)
    other = sqlite3.connect(history.path)
    other.execute("BEGIN EXCLUSIVE")
    with caplog.at_level(logging.WARNING):
        learned(history, 2)
    with pytest.raises(EngineError, match="try again in a moment"):
        history.rows()
    other.close()
    assert "database is locked" in caplog.text
    assert len(history.rows()) == 1


def test_a_file_that_can_not_be_opened_is_not_to_be_tried_again(tmp_path):
    (tmp_path / "history.sqlite3").mkdir()
    with pytest.raises(EngineError, match=r"can't be read \(unable to open.*or move it away"):
        History(tmp_path / "history.sqlite3").rows()


def test_a_file_without_the_table_is_damaged(tmp_path):
    history = History(tmp_path / "history.sqlite3")
    learned(history, 1)
    database = sqlite3.connect(history.path)
    database.execute("DROP TABLE learned")
    database.close()
    with pytest.raises(EngineError, match="is damaged: move it away"):
        history.rows()


def test_a_newer_file_is_left_alone_and_says_so(tmp_path, caplog):
    history = History(tmp_path / "history.sqlite3")
    database = sqlite3.connect(history.path)
    database.execute("PRAGMA user_version = 7")
    database.close()
    with caplog.at_level(logging.WARNING):
        learned(history, 1)
    with pytest.raises(EngineError, match="newer cl-workbench"):
        history.rows()


def test_several_programs_may_write_at_once(tmp_path):
    path = tmp_path / "history.sqlite3"
    threads = [threading.Thread(target=learned, args=(History(path), n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(History(path).rows()) == 8


def test_what_bears_on_learning_is_recorded_and_nothing_else(home):
    settings = learning_settings(Settings.load(home, environment={}), "ttt")
    assert settings["ttt.seed"] == 0
    assert settings["model.name"] == "auto"
    assert {"ttt", "alpha", "guard", "tfidf_gate", "held_out", "documents", "model"} == {
        key.partition(".")[0] for key in settings
    }
    beside = learning_settings(Settings.load(home, environment={}), "jitrl-mvp")
    assert {"passages", "jitrl_mvp", "documents", "model"} == {
        key.partition(".")[0] for key in beside
    }


def test_learning_from_the_command_line_is_recorded(home, tmp_path, capsys, monkeypatch):
    host = ScriptedHost()
    monkeypatch.setattr(assembly, "build_host", lambda settings, report: host)
    monkeypatch.setattr(assembly, "build_engine", lambda *arguments: ScriptedEngine(host))
    (tmp_path / "mill.md").write_text("# The mill\n\nIt is made of elm.")
    (tmp_path / "empty.md").write_text("")
    paths = [str(tmp_path / name) for name in ("mill.md", "empty.md")]
    assert run(["learn", "--set", "ttt.seed=7", *paths]) == 1
    (row,) = History(home.history).rows()
    assert (row.title, row.path, row.engine, row.model) == (
        "The mill", paths[0], "ttt", host.name,
    )  # fmt: skip
    assert json.loads(row.settings)["ttt.seed"] == 7


def test_the_table_shows_what_it_cost(home, capsys):
    learned(History(home.history), 1)
    code, out, _ = call(capsys)
    heading, line = out.splitlines()
    assert code == 0
    assert heading.split()[:3] == ["LEARNED", "TITLE", "TOKENS"]
    for part in ("2025-01-01 00:00", "Document 1", "1,000", "3.20", "1.25", "+1.0 %", "95%"):
        assert part in line
    assert line.endswith("tiny")


def test_the_table_is_short_and_the_export_whole(home, capsys):
    learned(History(home.history), *range(1, 31))
    assert len(call(capsys)[1].splitlines()) == 21
    assert len(call(capsys, "--limit", "5")[1].splitlines()) == 6
    assert len(call(capsys, "--csv")[1].splitlines()) == 31
    record = json.loads(call(capsys, "--json")[1])
    assert [row["title"] for row in record["history"]] == [f"Document {n}" for n in range(1, 31)]


def test_json_has_the_settings_and_the_change_as_values(home, capsys):
    learned(History(home.history), 1)
    (row,) = json.loads(call(capsys, "--json")[1])["history"]
    assert row["held_out_change"] == pytest.approx(0.01)
    assert row["settings"] == {"seed": 0}
    assert row["notes"] == ["one note", "another"]


def test_csv_is_read_back_by_a_reader_of_csv(home, capsys):
    learned(History(home.history), 1, title='Two "quotes", a comma\nand a line')
    (row,) = csv.DictReader(io.StringIO(call(capsys, "--csv")[1]))
    assert tuple(row) == COLUMNS
    assert row["title"] == 'Two "quotes", a comma; and a line'
    assert float(row["loss_after"]) == 1.25


def test_it_is_written_into_a_file(home, tmp_path, capsys):
    learned(History(home.history), 1, 2)
    file = tmp_path / "learned.csv"
    code, out, err = call(capsys, "--csv", "--write", file)
    assert (code, out) == (0, "")
    assert f"Wrote 2 rows into {file}." in err
    assert len(file.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "options", "begins"),
    [
        ("a.csv", [], "learned_at,title"),
        ("a.JSON", [], '{"history": ['),
        ("a.txt", [], "LEARNED"),
        ("a.csv", ["--json"], '{"history": ['),
        ("a.json", ["--csv"], "learned_at,title"),
    ],
)
def test_the_ending_of_the_file_says_what_is_written(home, tmp_path, capsys, name, options, begins):
    learned(History(home.history), 1)
    assert call(capsys, *options, "--write", tmp_path / "new" / name)[0] == 0
    assert (tmp_path / "new" / name).read_text().startswith(begins)


def test_a_file_that_is_there_is_not_overwritten(home, tmp_path, capsys):
    learned(History(home.history), 1)
    file = tmp_path / "notes.csv"
    file.write_text("mine")
    code, out, err = call(capsys, "--write", file)
    assert (code, out) == (1, "")
    assert f"{file} exists: remove it or give --write another name." in err
    assert file.read_text() == "mine"


def test_an_empty_history_says_how_to_begin(home, capsys):
    assert call(capsys)[:2] == (
        0,
        "Nothing was learned in this home yet: `cl-workbench learn PATH`.\n",
    )
    assert json.loads(call(capsys, "--json")[1]) == {"history": []}
    assert call(capsys, "--json", "--csv")[0] == 2


def test_a_damaged_history_fails_with_one_sentence(home, capsys):
    home.history.parent.mkdir(parents=True)
    home.history.write_bytes(b"no database at all" * 100)
    code, out, err = call(capsys)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
