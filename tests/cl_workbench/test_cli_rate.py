"""Verdicts from the command line, with a tiny real model and the engine that takes them."""

import json

import pytest

from engines.jitrl.full import JitRLFullEngine
from engines.protocol import EngineError
from tests.cl_workbench.test_import_rules import HEAVY, imported

QUESTION = "Who built the mill at Orr?"


@pytest.fixture
def learned(call, mill):
    """A checkpoint ``orr`` of jitrl-full."""
    assert call("learn", mill, "--engine", "jitrl-full", "--save", "orr")[0] == 0


def listed(call, name):
    return json.loads(call("rate", "list", "--load", name, "--json")[1])["feedback"]


def test_a_verdict_is_kept_in_the_checkpoint_and_changes_the_answer(call, learned):
    strong = ["--set", "jitrl_full.strength=32", "--set", "jitrl_full.temperature=1"]
    ask = ["ask", QUESTION, "--load", "orr", "--engine", "jitrl-full", "--json", *strong]
    first = json.loads(call(*ask)[1])["answer"]
    code, out, err = call("rate", "down", QUESTION, "--load", "orr", "--json", *strong)
    assert code == 0, err
    record = json.loads(out)
    assert (record["before"], record["saved"], record["engine"]) == (first, "orr", "jitrl-full")
    assert record["after"] != first
    assert json.loads(call(*ask)[1])["answer"] == record["after"]
    feedback = record["feedback"]
    assert (feedback["rating"], feedback["question"], feedback["number"]) == ("down", QUESTION, 1)
    assert feedback["tokens"] > 0
    assert feedback["entries"] > 0
    assert listed(call, "orr") == [feedback]


def test_undoing_answers_as_before_the_verdict(call, learned):
    ask = ["ask", QUESTION, "--load", "orr", "--engine", "jitrl-full"]
    before = call(*ask)[1]
    assert call("rate", "up", QUESTION, "--load", "orr")[0] == 0
    code, out, _ = call("rate", "undo", "--load", "orr")
    assert code == 0
    assert out == f"Took back verdict 1 (up) on '{QUESTION}', saved as orr.\n"
    assert listed(call, "orr") == []
    assert call(*ask)[1] == before
    code, out, err = call("rate", "undo", "--load", "orr")
    assert (code, out) == (1, "")
    assert "There is no rating to undo." in err


def test_text_shows_both_answers_and_the_figures(call, learned):
    code, out, _ = call("rate", "up", QUESTION, "--load", "orr")
    assert code == 0
    assert out.startswith("before: ")
    assert "\nRated up, verdict 1: " in out
    assert " changed; saved as orr.\n" in out
    assert "\nafter:  " in out
    heading, row = call("rate", "list", "--load", "orr")[1].splitlines()
    assert heading.split() == ["NO", "RATING", "RATED", "TOKENS", "CHANGED", "QUESTION", "ANSWER"]
    assert row.split()[:2] == ["1", "up"]
    assert QUESTION in row


def test_saving_under_another_name_leaves_the_first_and_replaces_none(call, learned):
    assert call("rate", "up", QUESTION, "--load", "orr", "--save", "rated")[0] == 0
    assert listed(call, "orr") == []
    assert len(listed(call, "rated")) == 1
    for arguments in (["up", QUESTION, "--load", "orr"], ["undo", "--load", "orr"]):
        code, out, err = call("rate", *arguments, "--save", "rated")
        assert (code, out) == (1, "")
        assert "There is a checkpoint 'rated' already: choose another name for --save" in err
    assert call("rate", "undo", "--load", "rated", "--save", "rated")[0] == 0
    assert listed(call, "rated") == []


def test_verdicts_are_numbered_and_the_last_one_goes_first(call, learned):
    for rating in ("up", "down"):
        assert call("rate", rating, QUESTION, "--load", "orr")[0] == 0
    assert [one["rating"] for one in listed(call, "orr")] == ["up", "down"]
    record = json.loads(call("rate", "undo", "--load", "orr", "--json")[1])
    assert (record["undone"]["number"], record["undone"]["rating"]) == (2, "down")
    assert (record["left"], record["saved"]) == (1, "orr")


def test_an_answer_that_used_nothing_is_not_rated_and_nothing_is_saved(call, learned, home):
    manifest = home / "checkpoints" / "orr" / "manifest.json"
    before = manifest.read_bytes()
    off = ["--set", "jitrl_full.strength=0"]
    for asked, more in (("???", []), (QUESTION, off)):
        code, out, err = call("rate", "up", asked, "--load", "orr", *more)
        assert code == 1
        assert out == f"before: {answered(call, asked, more)}"  # a person sees what was refused
        assert "used nothing that is stored" in err
    assert manifest.read_bytes() == before


def answered(call, question, more):
    out = call("ask", question, "--load", "orr", "--engine", "jitrl-full", *more)[1]
    return out if out.strip() else "(an empty answer)\n"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (EngineError("The model is out of memory."), 1, "The model is out of memory."),
        (RuntimeError("boom"), 1, "Answering again failed unexpectedly (RuntimeError); see"),
        (KeyboardInterrupt(), 130, "Answering again was interrupted."),
    ],
)
def test_a_second_answer_that_fails_leaves_the_record_of_the_saved_verdict(
    call, learned, monkeypatch, error, code, told
):
    reply, asked = JitRLFullEngine.reply, []

    def replying(engine, turns, sampling):
        asked.append(turns)
        if len(asked) == 2:
            raise error
        return reply(engine, turns, sampling)

    monkeypatch.setattr(JitRLFullEngine, "reply", replying)
    got, out, _ = call("rate", "up", QUESTION, "--load", "orr", "--json")
    assert got == code
    record = json.loads(out)
    assert record["after"] is None
    assert record["error"].startswith(told)
    assert [record["feedback"]] == listed(call, "orr")


@pytest.mark.parametrize("engine", ["ttt", "jitrl-mvp"])
def test_an_engine_that_takes_no_feedback_names_the_one_that_does(call, mill, engine):
    assert call("learn", mill, "--engine", engine, "--save", "other")[0] == 0
    for arguments in (["up", QUESTION], ["undo"], ["list"]):
        code, out, err = call("rate", *arguments, "--load", "other")
        assert (code, out) == (1, "")
        assert f"The engine '{engine}' takes no feedback: rate what jitrl-full learned" in err
        assert "starting" not in err
    err = call("rate", "up", QUESTION, "--load", "other", "--engine", "jitrl-full")[2]
    assert f"belongs to the engine '{engine}'" in err


def test_listing_needs_no_model(call, learned):
    assert (
        "No verdict in orr yet: `cl-workbench rate up QUESTION"
        in call("rate", "list", "--load", "orr")[1]
    )
    statement = (
        "from cl_workbench.cli import run; assert run(['rate', 'list', '--load', 'orr']) == 0"
    )
    assert imported(statement).isdisjoint(HEAVY)


@pytest.mark.parametrize("odd", [None, 3, [{}], [{"feedback": {"number": 1}}], [{"feedback": 2}]])
def test_damaged_verdicts_are_one_sentence(call, learned, home, odd):
    manifest = home / "checkpoints" / "orr" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "feedback": odd}))
    for arguments in (["list"], ["undo"]):
        code, out, err = call("rate", *arguments, "--load", "orr")
        assert (code, out) == (1, "")
        assert "The checkpoint 'orr' is damaged" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["up", QUESTION], "Missing option '--load'"),
        (["up", "--load", "orr"], "Missing argument 'QUESTION'"),
        (["up", " ", "--load", "orr"], "A question is empty"),
        (
            ["up", QUESTION, "--load", "orr", "--set", "jitrl_full.feedback_rate=0"],
            "feedback_rate",
        ),
        (["sideways"], "No such command 'sideways'"),
        (["undo", "--load", "../x"], "can't be a checkpoint name"),
    ],
)
def test_wrong_use_says_what_is_right(call, arguments, told):
    code, out, err = call("rate", *arguments)
    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize("arguments", [["up", QUESTION], ["undo"], ["list"]])
def test_an_unknown_checkpoint_is_told_before_a_model_is_loaded(call, home, arguments):
    code, out, err = call("rate", *arguments, "--load", "nowhere")
    assert (code, out) == (1, "")
    assert "There is no checkpoint 'nowhere'" in err
    assert "starting" not in err
