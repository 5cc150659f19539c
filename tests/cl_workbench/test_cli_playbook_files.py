"""Playbooks brought in, written out, renamed and deleted from the command line."""

import json
import os

import pytest

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


def test_importing_tells_what_was_taken_in_and_what_waits(call, rules, home):
    code, out, _ = call("import", rules, "mine")
    assert code == 0
    assert "Took in 3 bullets, 1 held for review." in out
    assert "held      ADD to strategies: Visit http://elsewhere.example" in out
    assert "mine is at revision 1 now (imported rules.md): 3 bullets, 1 waiting." in out
    assert len(texts(home)) == 3


def test_renaming_and_deleting(call, mine, home):
    assert call("rename", "mine", "yours") == (0, "mine is yours now.\n", "")
    code, _, err = call("delete", "mine", "--yes")
    assert code == 1
    assert "There is no playbook 'mine': `cl-workbench playbook list`" in err
    code, _, err = call("delete", "yours")
    assert code == 2
    assert "add --yes to delete yours" in err
    code, out, _ = call("delete", "yours", "--yes")
    assert code == 0
    assert out.startswith("Deleted yours; ")
    assert list((home / "playbooks").glob("*.json")) == []


def test_a_name_that_is_taken_is_not_given_twice(call, mine, rules):
    assert call("import", rules, "other")[0] == 0
    code, _, err = call("rename", "mine", "other")
    assert code == 1
    assert "There is a playbook 'other' already" in err


def test_an_exported_playbook_comes_back_as_it_was(call, mine, home, tmp_path):
    file = tmp_path / "out" / "mine.md"
    code, out, err = call("export", "mine", file)
    assert (code, out) == (0, "")
    assert err == f"Wrote 3 bullets into {file}.\n"
    assert call("export", "mine")[1] == call("export", "mine", "-")[1] == file.read_text()
    assert call("import", file, "again")[0] == 0
    assert texts(home, "again") == texts(home)
    assert saved(home, "again").playbook.get("formula-00007").helpful == 3
    code, _, err = call("export", "mine", file)
    assert code == 1
    assert f"{file} exists: remove it or give FILE another name." in err
    assert call("export", "mine", "x.json")[0] == 2
    assert "formula" not in call("export", "mine", "--at", "0")[1]


def test_a_playbook_file_and_one_of_the_earlier_package_can_be_imported(call, mine, home, tmp_path):
    assert call("import", home / "playbooks" / "mine.json", "copy")[0] == 0
    assert texts(home, "copy") == texts(home)
    old = tmp_path / "old.json"
    old.write_text(json.dumps({"strategies": [{"rule": "Be kind.", "source": "loop_2"}, {}]}))
    code, out, _ = call("import", old, "old")
    assert code == 0
    assert "strategy 2 was left out: it has no text 'rule'" in out
    assert saved(home, "old").playbook.bullets[0].source.loop == 2


def test_what_is_there_already_is_not_imported_again(call, mine, rules, home):
    rules.write_text("## strategies\n- Check the units of every number.\n")
    code, out, err = call("import", rules, "mine")
    assert (code, out) == (1, "")
    assert "was taken in (1 bullet; the first: strategy-00009 says the same" in err
    assert saved(home).head.number == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"   \n",
        b"\x00\x01\x02",
        b"\xff\xfe\x00r",
        b"prose without any bullet",
        b"{",
        b"{}",
        b'{"strategies": 3}',
        b'{"format": "cl-workbench playbook", "version": 99, "revisions": []}',
        b'{"format": "cl-workbench playbook", "version": 1, "revisions": []}',
        b'{"strategies": ' + b"[" * 100_000,
        b"- x" * 6_000_000,
    ],
    ids=range(12),
)
def test_a_file_that_holds_no_playbook_is_one_sentence(call, home, tmp_path, content):
    file = tmp_path / "odd"
    file.write_bytes(content)
    code, out, err = call("import", file, "odd")
    assert (code, out) == (1, "")
    (sentence,) = err.splitlines()
    assert sentence.endswith(".")
    assert not (home / "playbooks" / "odd.json").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"\x00\xff", b"[]", b'{"format": 1}', b"null"])
@pytest.mark.parametrize(
    "command",
    [["show"], ["log"], ["diff"], ["undo"], ["review"], ["export"], ["edit", "--remove", "a"]],
)
def test_a_saved_file_that_is_no_playbook_is_one_sentence(call, home, command, content):
    (home / "playbooks").mkdir(parents=True)
    file = home / "playbooks" / "bad.json"
    file.write_bytes(content)
    verb, *more = command
    code, out, err = call(verb, "bad", *more)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert file.read_bytes() == content


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a/b", "x" * 65, "-x"])
def test_names_stay_in_their_folder(call, name):
    code, _, err = call("show", "--", name)
    assert code == 2
    assert "can't be a playbook name" in err


def test_a_pipe_is_no_file_to_import(call, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    code, _, err = call("import", tmp_path / "pipe", "mine")
    assert code == 1
    assert "is no plain file" in err


def test_a_folder_that_can_not_be_written_is_one_sentence(call, home, rules):
    home.mkdir()
    (home / "playbooks").write_text("")
    for command in (["import", rules, "mine"], ["list"]):
        code, out, err = call(*command)
        assert (code, out) == (1, "")
        assert len(err.splitlines()) == 1
