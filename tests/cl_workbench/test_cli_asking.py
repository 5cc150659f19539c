"""Asking from the command line, with a tiny real model."""

import json

import pytest

from cl_workbench import assembly


def test_what_was_learned_is_saved_and_answers_after_loading(call, mill, home, tmp_path):
    code, out, _ = call("learn", mill, "--save", "mill")
    assert code == 0
    assert "saved as mill" in out
    assert (home / "checkpoints" / "mill" / "manifest.json").is_file()
    code, out, _ = call("ask", "Who built the mill?", "--load", "mill", "--json")
    assert code == 0
    answer = json.loads(out)
    assert list(answer) == ["question", "answer", "engine", "model", "seconds", "new_tokens"]
    assert answer["question"] == "Who built the mill?"
    assert (answer["engine"], answer["model"]) == ("ttt", "tiny-llama")
    assert 0 < answer["new_tokens"] <= 6


def test_alpha_1_is_the_base_and_alpha_0_is_not(call, mill):
    rate = ["--set", "ttt.learning_rate=0.05", "--set", "tfidf_gate.threshold=0"]
    assert call("learn", mill, "--save", "mill", *rate)[0] == 0

    def answer(*options):
        return json.loads(call("ask", "Who built the mill?", "--json", *options)[1])["answer"]

    base = answer("--base")
    assert answer("--load", "mill", "--alpha", "1") == base
    assert answer() == base
    assert answer("--load", "mill", "--alpha", "0") != base


def test_answers_are_streamed_as_text(call):
    code, out, _ = call("ask", "Who?", "--base")
    assert code == 0
    assert out.strip()
    code, out, _ = call("ask", "Who?", "When?", "--base")
    assert "> Who?\n" in out
    assert "> When?\n" in out


def test_questions_come_from_a_file_one_object_a_line(call, tmp_path):
    (tmp_path / "q.txt").write_text("\ufeffWho?\n\nWhen?\n")
    (tmp_path / "q.jsonl").write_text('{"question": "Who?"}\n{"question": "When?", "x": 1}\n')
    for name in ("q.txt", "q.jsonl"):
        code, out, _ = call("ask", "--questions", tmp_path / name, "--json", "--base")
        assert code == 0
        lines = [json.loads(line) for line in out.splitlines()]
        assert [line["question"] for line in lines] == ["Who?", "When?"]
        assert {line["engine"] for line in lines} == {"base"}


@pytest.mark.parametrize("line", ["{", "[]", '{"query": "Who?"}', '{"question": 3}'])
def test_a_line_that_holds_no_question_is_named(call, tmp_path, line):
    (tmp_path / "q.jsonl").write_text('{"question": "Who?"}\n' + line + "\n")
    code, out, err = call("ask", "--questions", tmp_path / "q.jsonl", "--json")
    assert (code, out) == (1, "")
    assert f"{tmp_path / 'q.jsonl'}, line 2 " in err


def test_a_question_too_long_for_the_model_fails_alone(call):
    code, out, err = call("ask", "word " * 3000, "Who?", "--base", "--json")
    assert code == 1
    failed, answered = map(json.loads, out.splitlines())
    assert list(failed) == ["question", "error"]
    assert "shorten it" in failed["error"]
    assert answered["question"] == "Who?"
    assert "shorten it" in err


@pytest.mark.parametrize("options", [["--json"], []])
def test_an_answer_that_breaks_unexpectedly_leaves_the_others(call, home, monkeypatch, options):
    build = assembly.build_host

    def fragile(settings, report):
        host = build(settings, report)
        reply = host.reply

        def breaking(turns, sampling):
            if "built" in turns[-1].content:
                raise RuntimeError("out of something")
            yield from reply(turns, sampling)

        host.reply = breaking
        return host

    monkeypatch.setattr(assembly, "build_host", fragile)
    code, out, err = call("ask", "Who built it?", "When?", "--base", *options)
    assert code == 1
    assert "When?" in out.splitlines()[-1 if options else 3]
    assert "Who built it?: Answering failed unexpectedly (RuntimeError); see the log." in err
    assert "out of something" in (home / "logs" / "cl-workbench.log").read_text()


def test_control_characters_of_a_file_of_questions_do_not_reach_the_terminal(call, tmp_path):
    (tmp_path / "q.txt").write_text("Who\x1b]0;owned\x07 \x9b31mbuilt?\nWhen?\n")
    code, out, err = call("ask", "--questions", tmp_path / "q.txt", "--base")
    assert code == 0
    assert "> Who]0;owned 31mbuilt?\n" in out
    code, out, err = call("ask", "--questions", tmp_path / "q.txt", "--base", "--json")
    assert not set("\x1b\x07\x9b") & set(out + err)
    assert json.loads(out.splitlines()[0])["question"] == "Who\x1b]0;owned\x07 \x9b31mbuilt?"


@pytest.mark.parametrize("engine", ["jitrl-mvp", "jitrl-full"])
def test_a_checkpoint_is_opened_with_the_engine_that_saved_it(call, mill, tmp_path, engine):
    assert call("learn", mill, "--engine", engine, "--save", "mine")[0] == 0
    code, out, _ = call("ask", "Where is the mill?", "--load", "mine", "--json")
    assert (code, json.loads(out)["engine"]) == (0, engine)
    more = tmp_path / "more.md"
    more.write_text("The pier was built of larch in 1911 by Osk Brannigan.")
    code, out, err = call("learn", more, "--load", "mine", "--save", "both", "--json")
    assert code == 0, err
    assert json.loads(out)["engine"] == engine
    if engine == "jitrl-full":
        assert call("recall", more, "--load", "both")[0] == 0
