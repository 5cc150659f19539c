"""``validate`` with a tiny real model: all engines of a family end to end."""

import json

import pytest

from cl_workbench.commands.exam import Question
from engines.jitrl.full import JitRLFullEngine
from engines.protocol import EngineError

RECORDS = [
    {"text": "The mill at Orr was built in 1811.", "question": "When was it?", "answer": "1811"},
    {"text": "The pier at Venn is made of oak.", "question": "What is it of?", "answer": "oak"},
]


@pytest.fixture
def questions(tmp_path):
    """A folder with two documents and a question on each."""
    folder = tmp_path / "questions"
    folder.mkdir()
    for number, record in enumerate(RECORDS):
        (folder / f"{number}.jsonl").write_text(json.dumps(record))
    return folder


def test_engines_and_the_base_are_shown_side_by_side(call, questions):
    code, out, err = call("validate", "jitrl", questions)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0] == "> When was it?"
    assert [line.split()[0] for line in lines[1:4]] == ["base", "jitrl-mvp", "jitrl-full"]
    assert all(line.split()[1] in {"right", "wrong"} for line in lines[1:4])
    heading, base, mvp, full, last = lines[-5:]
    assert heading.split()[0] == "ENGINE"
    assert base.split() == ["base", "-", "-", base.split()[3], "-", "0", "of", "2", "(0%)"]
    assert mvp.startswith("jitrl-mvp")
    assert full.startswith("jitrl-full")
    assert last == "base is tiny-llama, unchanged: it has learned and looks up nothing."


def test_json_has_each_answer_and_the_shares(call, questions):
    code, out, _ = call("validate", "jitrl", questions, "--questions", "1", "--json")
    assert code == 0
    record = json.loads(out)
    assert record["model"] == "tiny-llama"
    base, mvp, full = record["runs"]
    assert [run["engine"] for run in record["runs"]] == ["base", "jitrl-mvp", "jitrl-full"]
    assert (base["learned"], base["retrieval_recall"], base["asked"]) == (None, None, 1)
    assert (mvp["learned"], full["learned"]) == (2, 2)
    assert full["retrieval_recall"] == 1  # both documents are found, as there are no others
    (answer,) = mvp["answers"]
    assert list(answer) == ["question", "answer", "right", "found", "seconds", "error"]


def test_without_a_path_the_samples_are_learned(call):
    code, out, err = call("validate", "jitrl", "--questions", "2", "--json")
    assert code == 0, err
    assert [run["learned"] for run in json.loads(out)["runs"]] == [None, 3, 3]


def test_a_path_without_questions_says_what_to_name(call, mill):
    code, out, err = call("validate", "jitrl", mill)
    assert (code, out) == (1, "")
    assert "These documents bring no questions: name a .jsonl file" in err
    assert "starting" not in err


def test_files_that_cannot_be_read_are_told_and_the_others_count(call, questions, tmp_path):
    (tmp_path / "empty.md").write_text("")
    (tmp_path / "broken.txt").write_bytes(bytes(range(256)) * 8)
    bad = [tmp_path / "empty.md", tmp_path / "broken.txt", tmp_path / "missing.md"]
    code, out, err = call("validate", "jitrl", *bad)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 3
    code, out, err = call("validate", "jitrl", *bad, questions, "--questions", "1", "--json")
    assert code == 1
    assert [run["learned"] for run in json.loads(out)["runs"]] == [None, 2, 2]


def test_a_document_and_a_question_that_fail_leave_the_rest(call, questions, monkeypatch):
    learn, reply = JitRLFullEngine.learn, JitRLFullEngine.reply

    def learning(engine, document):
        if "mill" in document.text:
            raise EngineError("It can't be learned.")
        return learn(engine, document)

    def replying(engine, turns, sampling):
        if "When" in turns[-1].content:
            raise EngineError("It can't be answered.")
        return reply(engine, turns, sampling)

    monkeypatch.setattr(JitRLFullEngine, "learn", learning)
    monkeypatch.setattr(JitRLFullEngine, "reply", replying)
    code, out, err = call("validate", "jitrl", questions)
    assert code == 1
    assert "It can't be learned." in err
    assert "jitrl-full, When was it?: It can't be answered." in err
    assert "  jitrl-full failed It can't be answered.\n" in out
    record = json.loads(call("validate", "jitrl", questions, "--json")[1])
    full = record["runs"][2]
    assert (full["learned"], len(full["failed"]), full["asked"]) == (1, 1, 2)
    assert [one["error"] is None for one in full["answers"]] == [False, True]


def test_the_same_text_twice_is_learned_and_asked_once(call, questions, monkeypatch):
    learn, learned = JitRLFullEngine.learn, []

    def learning(engine, document):
        learned.append(document.id)
        return learn(engine, document)

    monkeypatch.setattr(JitRLFullEngine, "learn", learning)
    code, out, err = call("validate", "jitrl", questions, questions, "--questions", "9", "--json")
    assert code == 0, err
    assert len(learned) == len(set(learned)) == 2
    assert [run["asked"] for run in json.loads(out)["runs"]] == [2, 2, 2]


def test_a_text_with_other_questions_is_asked_these_too(call, questions):
    other = RECORDS[0] | {"question": "In which year?"}
    (questions / "again.jsonl").write_text(json.dumps(other))
    record = json.loads(call("validate", "jitrl", questions, "--questions", "9", "--json")[1])
    assert [(run["learned"], run["asked"]) for run in record["runs"]] == [
        (None, 3), (2, 3), (2, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("learn", "Learning failed unexpectedly (RuntimeError); see the log."),
        ("reply", "Answering failed unexpectedly (RuntimeError); see the log."),
        ("retrieve", "Retrieving failed unexpectedly (RuntimeError); see the log."),
    ],
)
def test_what_nobody_foresaw_costs_one_engine_and_not_the_run(
    call, questions, monkeypatch, method, told
):
    def breaking(*_arguments):
        raise RuntimeError("boom")

    monkeypatch.setattr(JitRLFullEngine, method, breaking)
    code, out, err = call("validate", "jitrl", questions, "--json")
    assert code == 1
    base, mvp, full = json.loads(out)["runs"]
    assert [one["error"] for one in base["answers"] + mvp["answers"]] == [None] * 4
    assert (mvp["learned"], full["asked"]) == (2, 2)
    assert told in err
    reasons = [one["reason"] for one in full["failed"]] + [one["error"] for one in full["answers"]]
    assert told in reasons


def test_a_huge_file_is_refused_before_a_model_is_loaded(call, tmp_path):
    (tmp_path / "huge.txt").write_text("word " * 300_000)
    limit = ["--set", "documents.max_megabytes=1"]
    code, out, err = call("validate", "jitrl", tmp_path / "huge.txt", *limit)
    assert (code, out) == (1, "")
    assert "huge.txt" in err
    assert "starting" not in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Missing argument"),
        (["ttt"], "'ttt' is not one of 'jitrl', 'doc2lora'"),
        (["jitrl", "--questions", "0"], "0 is not in the range"),
    ],
)
def test_wrong_use_says_what_is_right(call, arguments, told):
    code, out, err = call("validate", *arguments)
    assert (code, out) == (2, "")
    assert told in err


def test_an_answer_counts_in_whole_words_and_any_case():
    asked = Question("How many?", ("18", "Eighteen (18)"), "x")
    assert asked.answered_in("There are 18.")
    assert asked.answered_in("there are eighteen (18)!")
    assert not asked.answered_in("It was built in 1811.")
    assert not asked.answered_in("")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("Hanne Lund", "It was built by Hanne\n  Lund."),
        ("the miller's\nwife", "The Miller’s wife built it."),
        ("St. John’s", "At St. John's."),
        ("橡木", "码头是用橡木建造的。"),
        ("1811", "磨坊建于1811年。"),
        ("オーク", "桟橋はオークで出来ている"),
        ("(18)", "Eighteen(18)in all"),
    ],
)
def test_an_answer_that_is_written_in_another_way_counts(answer, text):
    assert Question("What?", (answer,), "x").answered_in(text)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("oak", "It is soaked."),
        ("18", "磨坊建于1811年。"),
        ("橡木", "码头是石头的。"),
        ("élan", "éland"),
    ],
)
def test_a_part_of_a_word_is_no_answer_in_any_script(answer, text):
    assert not Question("What?", (answer,), "x").answered_in(text)
