"""A written file is whole or untouched, and a name never leaves its folder."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engines.atomic import checked_name, write_atomically, write_failure
from engines.protocol import EngineError


@pytest.mark.parametrize("name", ["a", "run-3", "my_notes.v2", "_draft", "9lives", "x" * 64])
def test_a_plain_name_comes_back_as_it_is(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", ".hidden", "-rf", "a/b", "/etc", "..\\x", "a b", "ü", "a\n", "a\0",
        "x" * 65, "C:", "~root", "٣",
    ],
)  # fmt: skip
def test_anything_else_is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(EngineError) as refused:
        checked_name(name, "checkpoint name")
    sentence = str(refused.value)
    assert "checkpoint name" in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_text_and_bytes_arrive_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.txt", "Grüße\n")
    write_atomically(tmp_path / "b.bin", b"\0\1")
    assert (tmp_path / "a.txt").read_bytes() == "Grüße\n".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\0\1"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "b.bin"]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new" / "deep" / "a.json", "{}")
    assert (tmp_path / "new" / "deep" / "a.json").read_text() == "{}"


def test_permissions_of_an_existing_file_stay(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    target.chmod(0o640)
    write_atomically(target, "new")
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_new_file_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a.txt", "new")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_a_link_keeps_pointing_at_the_file_that_changes(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text("old")
    link = tmp_path / "link.yaml"
    link.symlink_to(real)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_a_folder_in_the_way_is_named_and_no_half_file_stays(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(EngineError, match=r"Can't write .*taken: .*--home\.") as refused:
        write_atomically(tmp_path / "taken", "x")
    assert isinstance(refused.value.__cause__, OSError)
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(EngineError, match=r"Can't write"):
        write_atomically(tmp_path / "file" / "below", "x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_is_never_replaced(tmp_path: Path) -> None:
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    with pytest.raises(EngineError, match="not an ordinary file"):
        write_atomically(link, "x")
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EACCES, "permission denied"),
    ],
)
def test_the_common_failures_are_told_in_words(code: int, words: str) -> None:
    sentence = write_failure(Path("notes.json"), OSError(code, os.strerror(code)))
    assert sentence.startswith(f"Can't write notes.json: {words};")
    assert "--home" in sentence


_WRITE_FOREVER = """
import sys
from pathlib import Path
from engines.atomic import write_atomically
target = Path(sys.argv[1])
for turn in range(10**9):
    write_atomically(target, (b"a" if turn % 2 else b"b") * 400_000)
    if turn == 1:
        print("writing", flush=True)
"""


def test_a_kill_in_the_middle_leaves_a_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "state.bin"
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITE_FOREVER, str(target)], stdout=subprocess.PIPE, text=True
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        writer.send_signal(signal.SIGKILL)
    content = target.read_bytes()
    assert len(content) == 400_000
    assert len(set(content)) == 1
