"""Study items, objectives and the guard from the command line."""

import contextlib
import io
import json
import os
import signal
import sys

import pytest

from cl_workbench.commands.console import Bar, PlainLines
from cl_workbench.commands.figures import learning_detail, passed_budget
from cl_workbench.commands.interrupts import Interrupts
from cl_workbench.commands.outcome import REPORTED
from cl_workbench.commands.pausing import NOBODY_ASKED, ask_how_to_go_on
from engines.protocol import Progress, StudyItem
from tests.cl_workbench.command_line import ROOT
from tests.cl_workbench.word_engine import GUARD, Ways
from tests.cl_workbench.word_program import MILL, PIER, caller, use_words


@pytest.fixture
def ways():
    return Ways()


@pytest.fixture
def call(capsys, monkeypatch, ways):
    use_words(monkeypatch, ways)
    return caller(capsys)


@pytest.fixture
def mill(tmp_path):
    (tmp_path / "mill.md").write_text(MILL)
    return tmp_path / "mill.md"


def test_study_shows_the_items_and_learns_nothing(call, ways, mill):
    code, out, _ = call("study", mill)
    assert code == 0
    assert out.splitlines()[0].endswith(": self_study")
    assert "both test questions were usable" in out
    assert "  1  [question] Who built the mill?\n     Hanne Lund\n" in out
    assert "2 items, 1 written but not used (--rejected shows them)" in out
    assert "What is the text about?" not in out
    assert ways.studied == []
    out = call("study", mill, "--rejected")[1]
    assert "[question] What is the text about?\n     A mill\n     rejected: it asks about" in out


def test_study_in_json_has_everything(call, mill):
    record = json.loads(call("study", mill, "--json")[1])
    assert (record["objective"], record["title"]) == ("self_study", "The mill at Orr")
    assert [item["kind"] for item in record["items"]] == ["question", "cloze"]
    assert record["rejected"][0]["reason"] == "it asks about the text"
    assert record["written"] is None


def test_items_are_written_edited_and_learned(call, ways, mill, tmp_path):
    file = tmp_path / "my items.jsonl"
    code, out, _ = call("study", mill, "--write", file)
    assert code == 0
    assert f"`cl-workbench learn {mill} --items '{file}'`" in out
    lines = file.read_text().splitlines()
    edited = json.loads(lines[0]) | {"answer": "Hanne Lund, in 1811"}
    file.write_text(json.dumps(edited) + "\n")
    code, out, _ = call("learn", mill, "--items", file)
    assert code == 0
    (studied,) = ways.studied
    assert studied == (
        StudyItem("question", "Who built the mill?", "Hanne Lund, in 1811", "The mill was built."),
    )
    assert "by mixed with 1 item," in out
    assert "  1 study item\n" in call("learn", mill, "--items", file, "--dry-run")[1]


def test_what_a_person_edited_is_never_overwritten(call, mill, tmp_path):
    file = tmp_path / "items.jsonl"
    file.write_text("mine")
    code, out, err = call("study", mill, "--write", file)
    assert (code, out) == (1, "")
    assert "remove it or give --write another name" in err
    assert file.read_text() == "mine"
    assert "There is no folder" in call("study", mill, "--write", tmp_path / "no" / "x.jsonl")[2]


def test_a_file_made_while_items_were_prepared_is_kept(call, mill, tmp_path, monkeypatch):
    from tests.cl_workbench.word_engine import WordEngine

    file, study = tmp_path / "items.jsonl", WordEngine.study

    def overtaken(engine, document):
        file.write_text("of another run")
        return study(engine, document)

    monkeypatch.setattr(WordEngine, "study", overtaken)
    code, _, err = call("study", mill, "--write", file)
    assert code == 1
    assert "remove it or give --write another name" in err
    assert file.read_text() == "of another run"


def test_items_go_with_one_document(call, mill, tmp_path):
    (tmp_path / "pier.md").write_text(PIER)
    (tmp_path / "items.jsonl").write_text('{"prompt": "Who?", "answer": "Hanne"}\n')
    items = ["--items", tmp_path / "items.jsonl"]
    code, out, err = call("learn", mill, tmp_path / "pier.md", *items)
    assert (code, out) == (2, "")
    assert "--items goes with one document, and 2 were read: name one PATH." in err
    code, _, err = call("learn", mill, *items, "--objective", "next_token")
    assert code == 2
    assert "leave out --items" in err
    (tmp_path / "items.jsonl").write_text("{\n")
    code, _, err = call("learn", mill, *items)
    assert code == 1
    assert "line 1" in err


def test_study_takes_one_document(call, mill, tmp_path):
    (tmp_path / "pier.md").write_text(PIER)
    code, _, err = call("study", tmp_path)
    assert code == 1
    assert "holds 2 documents: name one of them" in err
    assert "There is no file" in call("study", tmp_path / "missing.md")[2]


@pytest.mark.parametrize(
    ("option", "key"), [("--objective=mixed", "ttt.objective"), ("--guard=pause", "guard.action")]
)
def test_shortcuts_are_settings(call, mill, monkeypatch, option, key):
    from cl_workbench import assembly

    build, seen = assembly.build_engine, []

    def noting(name, host, settings):
        seen.append(settings.get(key))
        return build(name, host, settings)

    monkeypatch.setattr(assembly, "build_engine", noting)
    assert call("learn", mill, option)[0] == 0
    assert seen == [option.partition("=")[2]]


def test_a_report_tells_objective_costs_and_overlaps(call, mill, tmp_path):
    (tmp_path / "pier.md").write_text(PIER)
    code, out, err = call("learn", mill, tmp_path / "pier.md")
    assert code == 0
    assert "loss 3.00 to 1.00 by mixed, held-out +0.4 %, 38/40 answers kept, 18 tokens" in out
    assert "The pier: would move The mill at Orr " in err
    record = json.loads(call("learn", mill, tmp_path / "pier.md", "--json")[1])
    assert tuple(record["documents"][1]) == REPORTED
    (overlap,) = record["documents"][1]["overlaps"]
    assert (overlap["title"], 0 < overlap["share"] < 1) == ("The mill at Orr", True)


def test_without_a_terminal_a_pause_keeps_the_best_state_and_says_so(call, ways, mill):
    ways.pause = True
    code, out, err = call("learn", mill, "--json")
    assert code == 0
    assert ways.decisions == [None]
    assert json.loads(out)["documents"][0]["notes"] == [NOBODY_ASKED]
    assert err.count(GUARD) == 1
    assert f"The mill at Orr: {NOBODY_ASKED}" in err


def paused(**values):
    figures = {"held_out_loss_before": 3.0, "held_out_loss": 3.039, "held_out_budget": 0.01}
    return Progress("learning", 0.5, 1.0, paused=True, **(figures | values))


def test_the_progress_line_shows_what_learning_costs():
    event = paused(loss=2.314, answers_kept=0.95, answers_probed=40, tokens_per_second=812.4)
    assert learning_detail(event) == (
        "loss 2.31  held-out +1.3 % (budget 1 %)  38/40 answers kept  812 tokens/s"
    )
    assert learning_detail(paused(held_out_loss=2.9999, held_out_budget=None)) == "held-out +0.0 %"
    assert learning_detail(paused(held_out_loss_before=None)) == "held-out 3.04"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "held-out rose 1.3 % (budget 1 %)"),
        ({"held_out_loss": 3.0, "guard": "Stepped back."}, "Stepped back."),
        ({"held_out_loss": None}, "a budget of the guard is passed"),
    ],
)
def test_the_question_names_the_budget_that_was_passed(values, told):
    assert passed_budget(paused(**values)) == told


@pytest.mark.parametrize("display", [Bar, PlainLines])
@pytest.mark.parametrize(
    ("typed", "decision"),
    [("g\n", "continue"), ("what\nS\n", "slower"), ("keep\n", "stop"), ("", None)],
)
def test_a_person_is_asked_how_to_go_on(monkeypatch, capsys, display, typed, decision):
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    with display() as shown, Interrupts("stopping") as interrupts:
        shown.show("learning", 0.5)
        assert ask_how_to_go_on(paused(), shown, interrupts) == decision
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Held-out rose 1.3 % (budget 1 %): [g]o on, go on [s]lower, [k]eep" in captured.err
    assert ("Type g, s or k" in captured.err) == typed.startswith("what")


class InterruptedInput(io.StringIO):
    """Input at which Ctrl-C is pressed."""

    def readline(self, *_):
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the signal was not raised")


def test_ctrl_c_at_the_question_interrupts_at_once(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", InterruptedInput())
    with PlainLines() as shown, Interrupts("stopping") as interrupts:
        assert ask_how_to_go_on(paused(), shown, interrupts) is None
        assert interrupts.requested


@pytest.mark.terminal
@pytest.mark.parametrize(
    ("key", "code", "told"), [("s", 0, "Learned 1 of 1"), ("\x03", 130, "Learned 0 of 1")]
)
def test_at_a_terminal_the_pause_is_a_question(mill, key, code, told):
    import pexpect

    arguments = ["-m", "tests.cl_workbench.word_program", "learn", str(mill)]
    child = pexpect.spawn(
        sys.executable, arguments, cwd=str(ROOT), encoding="utf-8", timeout=60,
        dimensions=(30, 160),
    )  # fmt: skip
    with contextlib.closing(child):
        child.expect_exact("[k]eep what there is?")
        child.send(key if key == "\x03" else f"{key}\r")
        child.expect_exact(told)
        child.expect(pexpect.EOF)
    assert child.exitstatus == code


def test_a_stage_that_only_counts_on_is_no_new_line(capsys):
    with PlainLines() as shown:
        for number in range(1, 49):
            shown.show(f"reading items {number} of 48", number / 480)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["reading items 1 of 48 0%", "reading items 48 of 48 10%"]


def test_a_note_that_the_guard_gave_is_told_once(call, ways, mill):
    ways.pause, ways.notes = True, (GUARD, "Only a part was read.")
    _, out, err = call("learn", mill, "--json")
    assert GUARD in json.loads(out)["documents"][0]["notes"]
    assert err.count(GUARD) == 1
    assert "The mill at Orr: Only a part was read." in err
