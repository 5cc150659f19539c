"""Passages, and the strength that steers by them, with a tiny real model."""

import json

import pytest

from cl_workbench import assembly
from cl_workbench.commands.rating import TAKERS
from cl_workbench.commands.retrieve import RETRIEVERS
from cl_workbench.home import Home
from cl_workbench.settings import Settings
from engines.abilities import Retrieves, TakesFeedback
from tests.cl_workbench.command_line import TEXT

PIER = "# The pier\n\nThe pier at Venn is made of oak, and nine boats lie at it."


@pytest.fixture(params=["jitrl-mvp", "jitrl-full"])
def engine(request, call, mill, tmp_path):
    """The name of an engine that has learned two documents into the checkpoint ``two``."""
    (tmp_path / "pier.md").write_text(PIER)
    files = [mill, tmp_path / "pier.md"]
    assert call("learn", *files, "--engine", request.param, "--save", "two")[0] == 0
    return request.param


def test_passages_come_with_their_score_and_place(call, engine):
    code, out, err = call("retrieve", "Which boats lie at the pier?", "--load", "two")
    assert code == 0, err
    assert "  1  " in out
    where = f"passage 1, characters 0–{len(PIER)}\n"
    assert where in out
    assert "             # The pier The pier at Venn is made of oak" in out
    record = json.loads(call("retrieve", "Which boats?", "--load", "two", "--json")[1])
    assert list(record) == ["query", "passages", "context_tokens", "nudges", "note"]
    found = {one["title"]: one for one in record["passages"]}
    assert found["The pier"]["text"] == PIER
    assert (found["The pier"]["start"], found["The pier"]["end"]) == (0, len(PIER))


def test_each_query_is_answered_and_one_without_words_fails_alone(call, engine):
    code, out, err = call("retrieve", "boats", "???", "rye", "--load", "two")
    assert code == 1
    assert [line for line in out.splitlines() if line.startswith("> ")] == [
        "> boats", "> ???", "> rye",
    ]  # fmt: skip
    assert "???: There is no word to look for: ask for something in words." in err
    code, out, _ = call("retrieve", "boats", "???", "--load", "two", "--json")
    assert code == 1
    found, failed = map(json.loads, out.splitlines())
    assert found["query"] == "boats"
    assert list(failed) == ["query", "error"]


def test_the_engine_is_the_checkpoints_own_unless_another_is_asked_for(call, engine):
    other = "ttt" if engine == "jitrl-mvp" else "jitrl-mvp"
    code, _, err = call("retrieve", "boats", "--load", "two", "--engine", other)
    assert code == 1
    assert f"belongs to the engine '{engine}', not to '{other}'" in err


def test_a_cut_file_and_a_cut_manifest_are_one_sentence(call, engine, home):
    folder = home / "checkpoints" / "two"
    part = next(iter(sorted(folder.glob("*.safetensors"))))
    part.write_bytes(part.read_bytes()[:40])
    code, out, err = call("retrieve", "boats", "--load", "two")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("cl-workbench: The checkpoint 'two' is damaged")
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:90])
    code, out, err = call("retrieve", "boats", "--load", "two")
    assert (code, out) == (1, "")
    assert "The checkpoint 'two' has a damaged manifest: save it anew." in err


def test_what_has_no_passages_says_which_engines_have(call, mill):
    assert call("learn", mill, "--save", "plain")[0] == 0
    code, out, err = call("retrieve", "mill", "--load", "plain")
    assert (code, out) == (1, "")
    told = "The engine 'ttt' retrieves nothing: name a checkpoint that jitrl-mvp or jitrl-full"
    assert told in err
    assert "starting" not in err


def test_the_engines_named_without_a_model_are_those_that_can(model, tmp_path):
    named = f"model.name={model}"
    named = [named, "doc2lora.simulated=true"]
    settings = Settings.load(Home.find(tmp_path), assignments=named, environment={})
    host = assembly.build_host(settings)
    names = assembly.engine_names()
    engines = [assembly.build_engine(name, host, settings) for name in names]
    assert {one.name for one in engines if isinstance(one, Retrieves)} == set(RETRIEVERS)
    assert {one.name for one in engines if isinstance(one, TakesFeedback)} == set(TAKERS)


def test_nothing_relevant_is_said(call, mill):
    assert call("learn", mill, "--engine", "jitrl-mvp", "--save", "one")[0] == 0
    code, out, _ = call("retrieve", "zzyzx", "--load", "one")
    assert code == 0
    assert out.startswith("Nothing relevant was found")
    assert json.loads(call("retrieve", "zzyzx", "--load", "one", "--json")[1])["passages"] == []


def test_a_long_query_and_one_in_another_script_are_looked_up(call, engine):
    for query in ("boats " * 300, "谁建造了磨坊？"):
        code, out, err = call("retrieve", query, "--load", "two", "--json")
        assert code == 0, err
        assert json.loads(out)["query"] == query


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["", "--load", "two"], 2, "A question is empty"),
        (["--load", "two"], 2, "Missing argument 'QUERY...'"),
        (["mill"], 2, "Missing option '--load'"),
        (["mill", "--load", "nowhere"], 1, "There is no checkpoint 'nowhere'"),
    ],
)
def test_wrong_wishes_fail_before_a_model_is_loaded(call, arguments, code, told):
    got, out, err = call("retrieve", *arguments)
    assert (got, out) == (code, "")
    assert told in err
    assert "starting" not in err


def test_strengths_answer_once_each(call, engine):
    ask = ["ask", "Who built the mill?", "--load", "two", "--engine", engine]
    records = json.loads(call(*ask, "--strength", "0,10", "--json")[1])
    assert [record["strength"] for record in records] == [0, 10]
    single = json.loads(call(*ask, "--strength", "10", "--json")[1])
    assert "strength" not in single
    assert single["answer"] == records[1]["answer"]
    out = call(*ask, "--strength", "0, 2.5")[1]
    assert "[strength 0]\n" in out
    assert "[strength 2.5]\n" in out
    both = json.loads(call(*ask, "--strength", "0,2", "--knock-out", "--json")[1])
    assert [(one["strength"], len(one["without"])) for one in both] == [
        (0, 0), (0, 1), (0, 1), (2, 0), (2, 1), (2, 1),
    ]  # fmt: skip


def test_a_strength_beyond_the_limit_or_without_one_is_refused(call, engine, mill):
    limit = {"jitrl-mvp": 10, "jitrl-full": 32}[engine]
    ask = ["ask", "Who?", "--load", "two", "--engine", engine]
    code, out, err = call(*ask, "--strength", "1,99")
    assert (code, out) == (1, "")
    assert f"The strength of '{engine}' is from 0 to {limit} nats: lower --strength." in err
    assert f"The engine '{engine}' has no alpha" in call(*ask, "--alpha", "0.5")[2]


@pytest.mark.parametrize("values", ["-1", "nan", "inf", "strong", "1,"])
def test_what_is_no_strength_is_wrong_use(call, values):
    code, out, err = call("ask", "Who?", "--strength", values)
    assert (code, out) == (2, "")
    assert "Invalid value for '--strength'" in err


def test_strength_goes_with_no_base_and_no_engine_without_it(call):
    code, out, err = call("ask", "Who?", "--base", "--strength", "1")
    assert (code, out) == (2, "")
    assert "--base is the model that nothing steers: leave out --strength." in err
    code, out, err = call("ask", "Who?", "--strength", "1")
    assert (code, out) == (1, "")
    assert "The engine 'ttt' has no strength: leave out --strength." in err


def test_a_ledger_of_passages_shows_chunks_and_sizes_and_no_losses(call, engine):
    row = call("ledger", "two")[1].splitlines()[1]
    assert "1 chunk, " in row
    assert "loss" not in row
    assert not row.endswith(" 0.0 kB")
    heading = call("checkpoints", "list")[1].splitlines()[0]
    assert "ALPHA" not in heading
    out = call("checkpoints", "show", "two")[1]
    assert "alpha" not in out.splitlines()[0]
    headings = out.splitlines()[1].split()
    assert ("CHUNKS" in headings, "AFTER" in headings, "SIZE" in headings) == (True, False, True)
    shown = json.loads(call("checkpoints", "show", "two", "--json")[1])
    assert [document["chunks"] for document in shown["documents"]] == [1, 1]
    parts = sum(part["bytes"] for part in shown["parts"])
    assert sum(document["bytes"] for document in shown["documents"]) == parts


def test_documents_are_muted_and_forgotten_as_with_every_engine(call, engine):
    assert call("ledger", "two", "mute", "The pier", "--save", "muted")[0] == 0
    found = json.loads(call("retrieve", "boats at the pier", "--load", "muted", "--json")[1])
    assert "The pier" not in [one["title"] for one in found["passages"]]
    code, out, err = call("ledger", "two", "forget", "The mill at Orr")
    assert code == 0, err
    assert "weights" not in out
    assert TEXT.splitlines()[0].lstrip("# ") not in [
        one["title"] for one in json.loads(call("ledger", "two", "--json")[1])["documents"]
    ]
