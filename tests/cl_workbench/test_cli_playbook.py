"""Playbooks read and changed from the command line, without a model."""

import json

import pytest

from cl_workbench.cli import run
from engines.ace import files
from engines.ace.operations import Add, Tag
from engines.ace.review import offer
from engines.ace.revisions import History
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


def test_a_home_without_playbooks_says_how_to_make_one(call, home):
    code, out, _ = call("list")
    assert code == 0
    assert "--engine ace --playbook NAME" in out
    record = json.loads(call("list", "--json")[1])
    assert record == {"folder": str(home / "playbooks"), "playbooks": []}


def test_the_list_has_a_line_each_and_names_faults(call, mine, home):
    (home / "playbooks" / "broken.json").write_text("{")
    heading, row, fault = call("list")[1].splitlines()
    assert heading.split() == ["NAME", "BULLETS", "REVISIONS", "WAITING", "SIZE", "SAVED"]
    assert row.split()[:4] == ["mine", "3", "2", "1"]
    assert fault.startswith("broken: The playbook 'broken' is damaged")
    found = json.loads(call("list", "--json")[1])["playbooks"]
    assert [(one["name"], one["pending"]) for one in found] == [("broken", 0), ("mine", 1)]


def test_showing_tells_ids_counters_texts_and_where_they_come_from(call, mine):
    code, out, _ = call("show", "mine")
    assert code == 0
    head, *lines = out.splitlines()
    assert head.startswith("mine: 3 bullets in 2 sections, revision 1 of ")
    assert head.endswith(", 1 waiting: `cl-workbench playbook review mine`")
    assert lines[0] == "strategy-00008  helpful 0  harmful 0  strategies"
    assert lines[1] == "    Read the whole question before answering."
    assert lines[2].startswith("    made ")
    assert lines[2].endswith("(revision 1)")
    assert any(line.startswith("formula-00007  helpful 3  harmful 1") for line in lines)


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--search", "UNITS number"], ["strategy-00009"]),
        (["--search", "units question"], []),
        (["--section", "Formulas"], ["formula-00007"]),
        (["--sort", "helpful"], ["formula-00007", "strategy-00008", "strategy-00009"]),
        (["--sort", "harmful"], ["formula-00007", "strategy-00008", "strategy-00009"]),
        (["--sort", "age"], ["formula-00007", "strategy-00008", "strategy-00009"]),
        (["--sort", "id"], ["formula-00007", "strategy-00008", "strategy-00009"]),
        (["--at", "0"], []),
    ],
)
def test_bullets_can_be_looked_for_and_sorted(call, mine, options, ids):
    code, out, _ = call("show", "mine", *options, "--json")
    assert code == 0
    assert [bullet["id"] for bullet in json.loads(out)["bullets"]] == ids


def test_a_part_that_is_shown_says_that_it_is_one(call, mine):
    assert call("show", "mine", "--search", "units")[1].endswith("1 of 3 bullets shown.\n")


def test_a_section_that_is_not_there_names_those_that_are(call, mine):
    for asked in ("fables", "\x1b[2J", ""):
        code, out, err = call("show", "mine", "--section", asked)
        assert (code, out) == (1, "")
        assert "there are strategies, formulas." in err
        assert "\x1b" not in err


def test_a_revision_that_is_not_there_is_told(call, mine):
    for command in (["show", "mine", "--at"], ["diff", "mine"], ["revert", "mine"]):
        code, _, err = call(*command, "9")
        assert code == 1
        assert "There is no revision 9: choose one from 0 to 1." in err
    assert call("revert", "mine", "-1")[0] == 2


def test_a_change_by_hand_is_a_revision_and_its_words_are_told(call, mine, home):
    changes = ["--add", "strategies", "Be brief.", "--remove", "formula-00007"]
    changes += ["--update", "strategy-00008", "Read the question twice before answering."]
    code, out, _ = call("edit", "mine", *changes)
    assert code == 0
    assert out.endswith("mine is at revision 2 now: 3 bullets, 1 waiting.\n")
    assert saved(home).head.origin == "person"
    lines = call("diff", "mine")[1].splitlines()
    assert lines == [
        "mine: revision 1 → 2",
        "+ strategy-00010  strategies (helpful 0, harmful 0): Be brief.",
        "- formula-00007  formulas (helpful 3, harmful 1): "
        "Ohm: voltage is current times resistance.",
        "~ strategy-00008: Read the [-whole-]{+question+} [-question-]{+twice+} before answering.",
    ]


def test_a_difference_for_programs_has_words_and_votes(call, mine, home):
    history = offer(saved(home), [Tag("strategy-00009", "helpful")], origin="reflector").history
    files.save(home / "playbooks", "mine", history)
    assert "~ strategy-00009  helpful 0 → 1 (+1)" in call("diff", "mine")[1]
    record = json.loads(call("diff", "mine", "0", "2", "--json")[1])
    assert (record["from"], record["to"]) == (0, 2)
    assert [bullet["helpful"] for bullet in record["added"]] == [0, 1, 3]
    changed = json.loads(call("diff", "mine", "1", "2", "--json")[1])["changed"]
    assert [(one["id"], one["helpful"], one["words"]) for one in changed] == [
        ("strategy-00009", 1, [])
    ]
    assert call("diff", "mine", "2", "2")[1].endswith("Nothing differs.\n")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["--update", "strategy-00099", "x y"], "no bullet has that id"),
        (["--remove", "nothing"], "no bullet has that id"),
        (["--add", "strategies", "  "], "the text is empty"),
        (["--add", "strategies", "Check the units of every number."], "says the same"),
        (["--add", "!", "Be brief."], "a section's name"),
        (["--add", "strategies", "A rule " * 400], "characters"),
        (["--add", "strategies", "a\x1b[2Jb"], "control characters"),
    ],
)
def test_a_change_that_can_not_be_made_leaves_all_as_it_is(call, mine, home, changes, told):
    before = (home / "playbooks" / "mine.json").read_bytes()
    code, out, err = call("edit", "mine", "--add", "strategies", "Be brief.", *changes)
    assert (code, out) == (1, "")
    assert told in err
    assert len(err.splitlines()) == 1
    assert "\x1b" not in err
    assert (home / "playbooks" / "mine.json").read_bytes() == before


def test_nothing_to_change_is_wrong_use(call, mine):
    code, _, err = call("edit", "mine")
    assert code == 2
    assert "--add SECTION TEXT" in err


def test_undo_redo_revert_and_branch_are_revisions_too(call, mine, home):
    before = texts(home)
    assert call("edit", "mine", "--add", "strategies", "Be brief.")[0] == 0
    after = texts(home)
    code, out, _ = call("undo", "mine")
    assert code == 0
    assert out == "mine is at revision 3 now (undid revision 2): 3 bullets, 1 waiting.\n"
    assert texts(home) == before
    assert call("redo", "mine")[0] == 0
    assert texts(home) == after
    record = json.loads(call("revert", "mine", "0", "--json")[1])
    assert (record["revision"], record["origin"], record["bullets"]) == (5, "revert", 0)
    assert call("branch", "mine", "2")[0] == 0
    assert texts(home) == after
    assert call("undo", "mine")[0] == 0
    assert texts(home) == before
    assert [r.number for r in saved(home).revisions] == list(range(8))


def test_the_diff_of_an_undo_tells_what_it_took_back(call, mine):
    assert call("edit", "mine", "--add", "strategies", "Be brief.")[0] == 0
    assert call("undo", "mine")[0] == 0
    assert call("diff", "mine")[1].splitlines()[1].startswith("- strategy-00010")


def test_what_can_not_be_undone_is_one_sentence(call, mine):
    assert "There is nothing to redo" in call("redo", "mine")[2]
    assert call("undo", "mine")[0] == 0
    code, _, err = call("undo", "mine")
    assert code == 1
    assert "There is nothing to undo: this is how the playbook began." in err


def test_the_log_has_every_revision_newest_first(call, mine):
    assert call("edit", "mine", "--add", "strategies", "Be brief.")[0] == 0
    heading, *rows = call("log", "mine")[1].splitlines()
    assert heading.split() == [
        "NO", "WHEN", "ORIGIN", "SCORE", "ACCEPTED", "REFUSED", "HELD", "NOTE",
    ]  # fmt: skip
    assert [row.split()[0] for row in rows] == ["2", "1", "0"]
    assert rows[1].split()[3:8] == ["import", "-", "3", "-", "1"]
    assert rows[1].endswith("imported rules.md")
    assert len(call("log", "mine", "--limit", "1")[1].splitlines()) == 2


def test_the_log_tells_each_operation_with_its_reason(call, mine):
    out = call("log", "mine", "--verbose")[1]
    assert "held      ADD to strategies: Visit http://elsewhere.example for more.  (it" in out
    assert "accepted  ADD to formulas: Ohm: voltage is current times resistance.  (added" in out
    record = json.loads(call("log", "mine", "--verbose", "--json")[1])
    first = record["revisions"][0]
    assert (first["origin"], first["accepted"], first["held"]) == ("import", 3, 1)
    assert {one["verdict"] for one in first["operations"]} == {"accepted", "held"}
    assert "operations" not in json.loads(call("log", "mine", "--json")[1])["revisions"][0]


def test_the_budget_of_the_settings_holds_for_a_person_too(call, mine, home):
    small = ["--set", "ace.playbook_budget=40"]
    code, out, _ = call("edit", "mine", "--add", "strategies", "Be brief.", *small)
    assert code == 0
    assert "evicted to keep within 40 tokens" in out
    assert len(texts(home)) < 4


def test_what_a_terminal_obeys_is_never_printed(call, home, tmp_path):
    history = offer(History.start(), [Add("strategies", "Turn \u202eround\u2028 now.")]).history
    files.save(home / "playbooks", "odd", history)
    for command in (["show"], ["log", "--verbose"], ["diff"], ["export"], ["review"]):
        out = call(command[0], "odd", *command[1:])[1]
        assert not set("\u202e\u2028\x1b") & set(out)


@pytest.mark.parametrize(
    "words", ["playbook show mi", "ask --playbook mi", "learn --playbook mi", "playbook rename mi"]
)
def test_the_shell_completes_names(home, mine, capsys, monkeypatch, words):
    words = f"cl-workbench {words}"
    monkeypatch.setenv("_CL_WORKBENCH_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    with pytest.raises(SystemExit):
        run([])
    assert "mine" in capsys.readouterr().out
