"""Answers side by side: at several α, and without some of what was learned."""

import json

import pytest

from tests.cl_workbench.word_engine import Ways
from tests.cl_workbench.word_program import MILL, PIER, caller, use_words


@pytest.fixture
def ways():
    return Ways()


@pytest.fixture
def call(capsys, monkeypatch, ways, tmp_path):
    use_words(monkeypatch, ways)
    call = caller(capsys)
    for name, text in {"mill.md": MILL, "pier.md": PIER}.items():
        (tmp_path / name).write_text(text)
    assert call("learn", tmp_path / "mill.md", tmp_path / "pier.md", "--save", "two")[0] == 0
    return lambda *arguments: call(*arguments, "--load", "two")


def test_several_alphas_answer_once_each_and_the_old_one_comes_back(call, ways):
    code, out, _ = call("ask", "Who?", "--alpha", "0.9, 0.7,0")
    assert code == 0
    both = "from The mill at Orr and The pier"
    assert out == f"[α 0.90]\nat 0.9 {both}\n\n[α 0.70]\nat 0.7 {both}\n\n[α 0.00]\nat 0 {both}\n\n"
    assert ways.alphas == [0.9, 0.5, 0.7, 0.5, 0.0, 0.5]


def test_several_alphas_are_a_list_in_json(call):
    _, out, _ = call("ask", "Who?", "When?", "--alpha", "0.9,0.7", "--json")
    first, second = map(json.loads, out.splitlines())
    assert [(r["question"], r["alpha"]) for r in first] == [("Who?", 0.9), ("Who?", 0.7)]
    assert [r["question"] for r in second] == ["When?", "When?"]
    assert first[1]["answer"].startswith("at 0.7 ")


def test_one_alpha_is_one_object_as_before(call, ways):
    record = json.loads(call("ask", "Who?", "--alpha", "0.9", "--json")[1])
    assert list(record) == ["question", "answer", "engine", "model", "seconds", "new_tokens"]
    assert record["answer"].startswith("at 0.9 ")
    assert ways.alphas == [0.9, 0.5]


@pytest.mark.parametrize("alphas", ["0.5,", "0.5;0.7", "0.5,1.5"])
def test_what_is_no_list_of_alphas_is_wrong_use(call, alphas):
    code, out, err = call("ask", "Who?", "--alpha", alphas)
    assert (code, out) == (2, "")
    assert "Invalid value for '--alpha'" in err


def test_a_document_is_left_out(call):
    assert call("ask", "Who?", "--without", "the pier")[1].endswith(
        "at 0.5 from The mill at Orr\n\n"
    )
    record = json.loads(
        call("ask", "Who?", "--without", "the pier", "--without", "the mill at orr", "--json")[1]
    )
    assert record["answer"] == "at 0.5 from nothing"
    assert len(record["without"]) == 2


def test_a_knock_out_leaves_out_each_in_turn(call):
    _, out, _ = call("ask", "Who?", "--knock-out")
    headings = [line for line in out.splitlines() if line.startswith("[")]
    assert headings[0] == "[with all documents]"
    assert headings[1].startswith("[without The mill at Orr (")
    assert headings[2].startswith("[without The pier (")
    everything, no_mill, no_pier = json.loads(call("ask", "Who?", "--knock-out", "--json")[1])
    assert everything["without"] == []
    assert no_mill["answer"] == "at 0.5 from The pier"
    assert no_pier["answer"] == "at 0.5 from The mill at Orr"


def test_a_knock_out_at_several_alphas_is_every_pair(call):
    records = json.loads(call("ask", "Who?", "--knock-out", "--alpha", "0.9,0.7", "--json")[1])
    assert [(r["alpha"], len(r["without"])) for r in records] == [
        (0.9, 0), (0.9, 1), (0.9, 1), (0.7, 0), (0.7, 1), (0.7, 1),
    ]  # fmt: skip


def test_an_unknown_document_is_told_with_the_nearest(call):
    code, out, err = call("ask", "Who?", "--without", "The peer")
    assert (code, out) == (1, "")
    assert "did you mean 'The pier'?" in err


@pytest.mark.parametrize("options", [["--without", "x"], ["--knock-out"], ["--alpha", "0.5"]])
def test_the_base_model_has_nothing_to_leave_out(call, options):
    code, out, err = call("ask", "Who?", "--base", *options)
    assert (code, out) == (2, "")
    assert "--base is the model without any" in err
