"""Ready files become parts of a checkpoint, and come back, without being read into memory."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engines import checkpoints
from engines.atomic import link_atomically
from engines.protocol import CheckpointError, EngineError

WHO = {"engine": "jitrl-full", "model": "m", "fingerprint": "f"}


def ready(path: Path, value: float, size: int = 100) -> Path:
    save_file({"states": torch.full((size,), value)}, path)
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def read(folder: Path, into: Path) -> tuple[dict[str, object], dict[str, float]]:
    """Tensors by part, and the one value of each file."""
    into.mkdir(exist_ok=True)
    _, tensors, files = checkpoints.read_with_files(
        folder, **WHO, as_files=lambda name: name.startswith("states-"), into=into
    )
    values = {name: load_file(path)["states"].unique().item() for name, path in files.items()}
    return tensors, values


def no_link(*_: object, **__: object) -> None:
    raise OSError(18, "Invalid cross-device link")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_files_are_linked_in_and_come_back_beside_the_tensors(tmp_path, work):
    source = ready(work / "one", 1.0)
    parts = {"index": {"values": torch.ones(3)}}
    checkpoints.write(tmp_path / "a", WHO, parts, {"states-one": source})
    (linked,) = (tmp_path / "a").glob("states-one-*.safetensors")
    assert linked.samefile(source)
    tensors, values = read(tmp_path / "a", tmp_path / "into")
    assert tensors["index"]["values"].tolist() == [1.0] * 3
    assert values == {"states-one": 1.0}
    assert names(tmp_path / "into") == {linked.name}


def test_a_plain_read_gives_their_tensors(tmp_path, work):
    checkpoints.write(tmp_path / "a", WHO, {}, {"states-one": ready(work / "one", 1.0)})
    _, parts = checkpoints.read(tmp_path / "a", **WHO)
    assert parts["states-one"]["states"].unique().item() == 1.0


def test_what_was_handed_out_outlives_saving_over_the_checkpoint(tmp_path, work):
    folder, into = tmp_path / "a", tmp_path / "into"
    checkpoints.write(folder, WHO, {}, {"states-one": ready(work / "one", 1.0)})
    read(folder, into)
    (handed,) = into.iterdir()
    checkpoints.write(folder, WHO, {}, {"states-two": ready(work / "two", 2.0)})
    assert len(names(folder)) == 2
    assert load_file(handed)["states"].unique().item() == 1.0
    # saving it back, by the name it was handed out under
    checkpoints.write(folder, WHO, {}, {"states-one": handed})
    assert read(folder, into)[1] == {"states-one": 1.0}


def test_saving_again_rewrites_nothing_and_leaves_nothing(tmp_path, work):
    source = ready(work / "one", 1.0)
    checkpoints.write(tmp_path / "a", WHO, {}, {"states-one": source})
    before = {path.name: path.stat().st_ino for path in (tmp_path / "a").glob("states*")}
    for again in (source, tmp_path / "a" / next(iter(before))):
        checkpoints.write(tmp_path / "a", WHO, {}, {"states-one": again})
        after = {path.name: path.stat().st_ino for path in (tmp_path / "a").glob("states*")}
        assert after == before
    assert len(names(tmp_path / "a")) == 2


def test_without_links_it_is_copied(tmp_path, work, monkeypatch):
    monkeypatch.setattr(os, "link", no_link)
    source = ready(work / "one", 1.0)
    checkpoints.write(tmp_path / "a", WHO, {}, {"states-one": source})
    (copied,) = (tmp_path / "a").glob("states-one-*")
    assert not copied.samefile(source)
    assert read(tmp_path / "a", tmp_path / "into")[1] == {"states-one": 1.0}


def test_a_copy_that_went_bad_is_refused_and_mended_by_saving_again(tmp_path, work, monkeypatch):
    source = ready(work / "one", 1.0)
    monkeypatch.setattr(os, "link", no_link)
    checkpoints.write(tmp_path / "a", WHO, {}, {"states-one": source})
    (copied,) = (tmp_path / "a").glob("states-one-*")
    for data in (copied.read_bytes()[:-1], copied.read_bytes()[:-1] + b"\xff"):
        copied.write_bytes(data)
        with pytest.raises(CheckpointError, match="damaged in its part 'states-one'"):
            read(tmp_path / "a", tmp_path / "into")
        assert names(tmp_path / "into") == set()
        checkpoints.write(tmp_path / "a", WHO, {}, {"states-one": source})
        assert read(tmp_path / "a", tmp_path / "other")[1] == {"states-one": 1.0}


def test_a_large_file_is_never_in_memory(tmp_path, work):
    source = ready(work / "one", 1.0, size=8_000_000)
    (tmp_path / "into").mkdir()
    tracemalloc.start()
    try:
        checkpoints.write(tmp_path / "a", WHO, {}, {"states-one": source})
        checkpoints.read_with_files(
            tmp_path / "a", **WHO, as_files=lambda name: True, into=tmp_path / "into"
        )
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_power_lost_at_each_moment_leaves_the_old_or_the_new(tmp_path, work):
    old, new = ready(work / "old", 1.0), ready(work / "new", 2.0)
    (tmp_path / "into").mkdir()
    seen = []
    for calls in range(100):
        folder = tmp_path / str(calls)
        checkpoints.write(folder, WHO, {}, {"states-one": old})
        with pytest.MonkeyPatch.context() as patch:
            left = [calls]

            def cut(real, left=left):
                def reach(*arguments, **options):
                    left[0] -= 1
                    if left[0] < 0:
                        raise OSError(5, "Input/output error")
                    return real(*arguments, **options)

                return reach

            for name in ("fsync", "replace", "unlink"):
                patch.setattr(os, name, cut(getattr(os, name)))
            try:
                checkpoints.write(folder, WHO, {}, {"states-one": new})
            except CheckpointError as error:
                assert "\n" not in str(error)
        seen.append(read(folder, tmp_path / "into")[1]["states-one"])
        checkpoints.write(folder, WHO, {}, {"states-one": new})
        assert len(names(folder)) == 2
        if left[0] >= 0:
            break
    assert seen == sorted(seen)
    assert {*seen} == {1.0, 2.0}


def test_a_missing_source_is_one_sentence_and_changes_nothing(tmp_path, work):
    checkpoints.write(tmp_path / "a", WHO, {}, {"states-one": ready(work / "one", 1.0)})
    with pytest.raises(CheckpointError, match="Can't save into"):
        checkpoints.write(tmp_path / "a", WHO, {}, {"states-one": work / "none"})
    assert read(tmp_path / "a", tmp_path / "into")[1] == {"states-one": 1.0}


def test_a_part_that_is_given_twice_is_refused(tmp_path, work):
    with pytest.raises(ValueError, match="twice: one"):
        checkpoints.write(tmp_path / "a", WHO, {"one": {}}, {"one": ready(work / "one", 1.0)})


def test_another_engine_is_refused_here_too(tmp_path, work):
    checkpoints.write(tmp_path / "a", WHO | {"engine": "ttt"}, {}, {})
    with pytest.raises(CheckpointError, match="--engine"):
        read(tmp_path / "a", tmp_path / "into")


def test_a_link_takes_the_place_of_what_is_there_and_can_be_made_twice(tmp_path):
    (tmp_path / "one").write_text("new")
    (tmp_path / "two").write_text("old")
    for _ in range(2):
        link_atomically(tmp_path / "one", tmp_path / "two")
        assert (tmp_path / "two").read_text() == "new"
        assert names(tmp_path) == {"one", "two"}
    with pytest.raises(EngineError, match="Can't write"):
        link_atomically(tmp_path / "none", tmp_path / "two")
    assert names(tmp_path) == {"one", "two"}
