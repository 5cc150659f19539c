"""What waits in a playbook, decided on from the command line."""

import json

import pytest

from engines.ace import files
from engines.ace.operations import Add, Remove, Update
from engines.ace.review import offer
from tests.cl_workbench.playbook_program import playbook_caller, saved, texts, written


@pytest.fixture
def call(capsys, home):
    return playbook_caller(capsys)


@pytest.fixture
def rules(tmp_path):
    return written(tmp_path)


@pytest.fixture
def mine(call, rules):
    """A playbook ``mine`` of three bullets, and one that waits."""
    assert call("import", rules, "mine")[0] == 0


@pytest.fixture
def waiting(call, home, mine):
    """Operations of every kind that wait in ``mine``, after the one of the import."""
    operations = [
        Add("strategies", "Answer in one word.", "it was too long"),
        Update("strategy-00009", "Check the units of each number."),
        Remove("strategy-00008"),
    ]
    held = offer(saved(home), operations, origin="curator", review="hold").history
    files.save(home / "playbooks", "mine", held)


def test_what_waits_is_listed_under_numbers(call, waiting):
    out = call("review", "mine")[1]
    assert "  1  ADD to strategies: Visit http://elsewhere.example for more.\n" in out
    assert "  2  ADD to strategies: Answer in one word.\n     reason: it was too long\n" in out
    assert "  3  UPDATE strategy-00009: Check the units of [-every-]{+each+} number.\n" in out
    assert "  4  REMOVE strategy-00008: Read the whole question before answering.\n" in out
    rows = json.loads(call("review", "mine", "--json")[1])["waiting"]
    assert [row["number"] for row in rows] == [1, 2, 3, 4]
    assert rows[1]["operation"]["type"] == "ADD"


def test_a_person_accepts_rejects_and_edits(call, waiting, home):
    decided = ["--accept", "3,4", "--reject", "1", "--edit", "2", "Answer in a word or two."]
    code, out, err = call("review", "mine", *decided)
    assert code == 0, err
    assert "(rejected by a person)" in out
    assert "Answer in a word or two." in texts(home)
    assert "Check the units of each number." in texts(home)
    assert "Read the whole question before answering." not in texts(home)
    assert call("review", "mine")[1] == "Nothing waits in mine.\n"
    assert call("undo", "mine")[0] == 0
    assert "  4  REMOVE" in call("review", "mine")[1]


def test_all_can_be_accepted_or_rejected(call, waiting, home):
    assert call("review", "mine", "--reject", "all")[0] == 0
    assert len(texts(home)) == 3
    assert call("undo", "mine")[0] == 0
    assert call("review", "mine", "--accept", "all", "--json")[0] == 0
    assert "Visit http://elsewhere.example for more." in texts(home)


def test_one_that_can_not_be_applied_waits_on(call, waiting, home):
    assert call("edit", "mine", "--remove", "strategy-00009")[0] == 0
    code, out, _ = call("review", "mine", "--accept", "2,3")
    assert code == 1
    assert "1 could not be applied and wait on." in out
    assert "Answer in one word." in texts(home)
    assert "UPDATE strategy-00009" in call("review", "mine")[1]


@pytest.mark.parametrize(
    ("decided", "told"),
    [
        (["--accept", "9"], "Nothing waits as number 9 in mine"),
        (["--reject", "0"], "Nothing waits as number 0"),
        (["--accept", "1,x"], "neither numbers as in 1,3 nor 'all'"),
        (["--accept", "-1"], "neither numbers"),
        (["--accept", ""], "neither numbers"),
        (["--accept", "1,2", "--reject", "2"], "Number 2 can't be both accepted and rejected"),
        (["--edit", "4", "other"], "Number 4 is a REMOVE and has no text to edit"),
        (["--edit", "x", "other"], "not a valid integer"),
    ],
)
def test_decisions_that_can_not_be_meant_are_wrong_use(call, waiting, home, decided, told):
    before = saved(home).head.number
    code, out, err = call("review", "mine", *decided)
    assert (code, out) == (2, "")
    assert told in err
    assert saved(home).head.number == before
