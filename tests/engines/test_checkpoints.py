"""A checkpoint is the old one or the new one, whole, whenever the writer dies."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engines import checkpoints
from engines.locks import locked
from engines.protocol import CheckpointError

WHO = {"engine": "ttt", "model": "m", "fingerprint": "f"}
WRITER = """
import sys, torch
from pathlib import Path
from engines import checkpoints
folder = Path(sys.argv[1])
print("begin", flush=True)
for n in range(1, 100_000):
    parts = {name: {"values": torch.full((100_000,), float(n))} for name in ("one", "gate")}
    manifest = {"engine": "ttt", "model": "m", "fingerprint": "f", "n": n}
    checkpoints.write(folder, manifest, parts)
"""


def part(value: float, size: int = 100) -> dict[str, torch.Tensor]:
    return {"values": torch.full((size,), value)}


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def content(folder: Path) -> dict[str, float]:
    """The one value of each part, after every check."""
    _, parts = checkpoints.read(folder, **WHO)
    return {name: tensors["values"].unique().item() for name, tensors in parts.items()}


class PowerCut:
    """Lets ``calls`` changes reach the disk; then the power is gone and nothing works."""

    NAMES = ("fsync", "replace", "unlink")

    def __init__(self, monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
        self.left = calls
        for name in self.NAMES:
            monkeypatch.setattr(os, name, self._until_gone(getattr(os, name)))

    def _until_gone(self, call):
        def reach(*arguments, **options):
            self.left -= 1
            if self.left < 0:
                raise OSError(5, "Input/output error")
            return call(*arguments, **options)

        return reach


@pytest.mark.parametrize("seed", range(4))
def test_a_writer_killed_at_any_moment_leaves_a_whole_checkpoint(tmp_path, seed):
    folder = tmp_path / "state"
    checkpoints.write(folder, {**WHO, "n": 0}, {"one": part(0.0), "gate": part(0.0)})
    root = Path(__file__).parents[2]
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"begin\n"
    chance = random.Random(seed)
    with pytest.raises(subprocess.TimeoutExpired):
        writer.wait(timeout=0.02 + chance.random() * 0.3)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    n = float(checkpoints.read_manifest(folder)["n"])
    assert content(folder) == {"one": n, "gate": n}
    checkpoints.write(folder, {**WHO, "n": -1}, {"one": part(1.0)})
    assert len(files(folder)) == 2  # what the dead one left is gone


def test_power_lost_at_each_moment_leaves_the_old_or_the_new(tmp_path):
    old, new = {"one": 1.0, "gate": 1.0}, {"one": 1.0, "two": 2.0, "gate": 2.0}
    seen = []
    for calls in range(1_000):
        folder = tmp_path / str(calls)
        checkpoints.write(folder, WHO, {name: part(value) for name, value in old.items()})
        with pytest.MonkeyPatch.context() as patch:
            cut = PowerCut(patch, calls)
            try:
                checkpoints.write(folder, WHO, {name: part(v) for name, v in new.items()})
            except CheckpointError as error:
                assert "\n" not in str(error)
        seen.append(content(folder))
        checkpoints.write(folder, WHO, {"gate": part(3.0)})
        assert len(files(folder)) == 2  # nothing of the broken one is left
        if cut.left >= 0:
            break
    assert seen[0] == old
    assert seen[-1] == new
    assert seen.index(new) > 3
    assert all(state == (old if number < seen.index(new) else new)
               for number, state in enumerate(seen))  # fmt: skip


def test_power_lost_while_the_first_is_saved_leaves_none_or_it(tmp_path):
    whole = []
    for calls in range(12):
        folder = tmp_path / str(calls)
        with pytest.MonkeyPatch.context() as patch:
            PowerCut(patch, calls)
            with contextlib.suppress(CheckpointError):
                checkpoints.write(folder, WHO, {"one": part(1.0)})
        whole.append((folder / checkpoints.MANIFEST).exists())
        if whole[-1]:
            assert content(folder) == {"one": 1.0}
    assert whole == sorted(whole)
    assert {*whole} == {False, True}


def test_a_full_disk_leaves_the_old_and_nothing_of_the_new(tmp_path, monkeypatch):
    folder = tmp_path / "state"
    checkpoints.write(folder, WHO, {"one": part(1.0)})
    before = files(folder)
    real = os.fsync
    syncs = iter(range(100))

    def full(descriptor):
        if next(syncs) == 2:  # of the second new part
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="the disk is full"):
        checkpoints.write(folder, WHO, {"two": part(2.0), "three": part(3.0)})
    assert files(folder) == before
    assert content(folder) == {"one": 1.0}


def test_saving_one_more_document_rewrites_none_of_the_others(tmp_path):
    folder = tmp_path / "state"
    nine = {f"d{n}": part(float(n)) for n in range(9)}
    checkpoints.write(folder, WHO, nine)
    inodes = {path.name: path.stat().st_ino for path in folder.glob("*.safetensors")}
    checkpoints.write(folder, WHO, {**nine, "d9": part(9.0)})
    after = {path.name: path.stat().st_ino for path in folder.glob("*.safetensors")}
    assert len(after) == 10
    assert inodes.items() <= after.items()
    checkpoints.write(folder, WHO, {"d3": nine["d3"]})
    assert files(folder) - {checkpoints.MANIFEST} == {n for n in inodes if n.startswith("d3-")}


def test_saving_again_mends_a_part_that_went_bad(tmp_path):
    folder = tmp_path / "state"
    checkpoints.write(folder, WHO, {"one": part(1.0)})
    (file,) = folder.glob("one-*")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"damaged in its part 'one'"):
        checkpoints.read(folder, **WHO)
    checkpoints.write(folder, WHO, {"one": part(1.0)})
    assert content(folder) == {"one": 1.0}


def test_all_that_was_written_comes_back_to_the_bit(tmp_path):
    tensors = {
        "3.index": torch.arange(5, dtype=torch.int32),
        "3.gate": torch.randn(5, 4).to(torch.bfloat16),
        "half": torch.randn(6, 2)[::2],
    }
    manifest = {**WHO, "documents": [{"title": "Grüße, \udcff"}], "alpha": 0.5}
    checkpoints.write(tmp_path / "a", manifest, {"0123456789ab": tensors, "gate": {}})
    found, parts = checkpoints.read(tmp_path / "a", **WHO)
    assert found["alpha"] == 0.5
    assert found["documents"][0]["title"].startswith("Grüße")
    assert parts["gate"] == {}
    assert parts["0123456789ab"].keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(parts["0123456789ab"][name], tensor)
        assert parts["0123456789ab"][name].dtype == tensor.dtype


def test_a_checkpoint_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint 'mine'"):
        checkpoints.read(tmp_path / "mine", **WHO)


def test_another_engine_is_refused(tmp_path):
    checkpoints.write(tmp_path / "a", WHO, {"one": part(1.0)})
    with pytest.raises(CheckpointError, match="--engine"):
        checkpoints.read(tmp_path / "a", engine="ace", model="m", fingerprint="f")


def test_another_base_model_is_refused_by_name(tmp_path):
    checkpoints.write(tmp_path / "a", WHO, {"one": part(1.0)})
    with pytest.raises(CheckpointError, match=r"made on m, and n is loaded.*model\.name"):
        checkpoints.read(tmp_path / "a", engine="ttt", model="n", fingerprint="g")


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (3, "has format version 3.*update it"),
        (1, "older form.*learn its documents again"),
        (0, "damaged"),
        ("2", "damaged"),
        (None, "damaged"),
    ],
)
def test_another_version_is_one_sentence(tmp_path, version, told):
    checkpoints.write(tmp_path / "a", WHO, {"one": part(1.0)})
    path = tmp_path / "a" / checkpoints.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": version}))
    with pytest.raises(CheckpointError, match=told):
        checkpoints.read(tmp_path / "a", **WHO)


@pytest.mark.parametrize(
    "entry",
    [
        {"file": "../b/one-0123456789abcdef.safetensors"},
        {"file": "/etc/passwd"},
        {"file": "one.safetensors"},
        {"file": None},
        {"sha256": "0" * 64},
        {"sha256": 5},
        {"bytes": 1},
        {"bytes": "many"},
        None,
    ],
)
def test_a_part_that_is_not_the_one_written_is_refused(tmp_path, entry):
    for name in "ab":
        checkpoints.write(tmp_path / name, WHO, {"one": part(1.0)})
    path = tmp_path / "a" / checkpoints.MANIFEST
    manifest = json.loads(path.read_text())
    if entry is None:
        manifest["parts"] = ["one"]
    else:
        manifest["parts"]["one"] |= entry
    path.write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="'a' is damaged"):
        checkpoints.read(tmp_path / "a", **WHO)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x00", '{"format": "cl-'])
def test_a_damaged_manifest_is_one_sentence_and_can_be_replaced(tmp_path, text):
    checkpoints.write(tmp_path / "a", WHO, {"one": part(1.0)})
    (tmp_path / "a" / checkpoints.MANIFEST).write_text(text)
    with pytest.raises(CheckpointError, match="damaged manifest"):
        checkpoints.read(tmp_path / "a", **WHO)
    checkpoints.write(tmp_path / "a", WHO, {"one": part(2.0)})
    assert content(tmp_path / "a") == {"one": 2.0}


def test_a_part_that_is_no_tensor_file_is_damaged(tmp_path):
    checkpoints.write(tmp_path / "a", WHO, {"one": part(1.0)})
    data = b"\xff" * 64
    digest = hashlib.sha256(data).hexdigest()
    name = f"one-{digest[:16]}.safetensors"
    (tmp_path / "a" / name).write_bytes(data)
    path = tmp_path / "a" / checkpoints.MANIFEST
    manifest = json.loads(path.read_text())
    manifest["parts"]["one"] = {"file": name, "sha256": digest, "bytes": 64}
    path.write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="damaged in its part 'one'"):
        checkpoints.read(tmp_path / "a", **WHO)


def test_the_manifest_of_another_program_is_left_alone(tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    with pytest.raises(CheckpointError, match="not written by cl-workbench"):
        checkpoints.write(tmp_path, WHO, {"one": part(1.0)})
    assert files(tmp_path) == {"manifest.json"}


def test_files_of_other_names_stay(tmp_path):
    checkpoints.write(tmp_path / "a", WHO, {"one": part(1.0)})
    (tmp_path / "a" / "notes.txt").write_text("mine")
    (tmp_path / "a" / "model.safetensors").write_text("mine")
    checkpoints.write(tmp_path / "a", WHO, {"one": part(2.0)})
    assert {"notes.txt", "model.safetensors"} <= files(tmp_path / "a")


def test_a_part_whose_name_would_leave_the_folder_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="part of a checkpoint"):
        checkpoints.write(tmp_path / "a", WHO, {"../one": part(1.0)})
    assert not list(tmp_path.glob("*.safetensors"))


def test_saving_into_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError) as caught:
        checkpoints.write(tmp_path / "file", WHO, {"one": part(1.0)})
    assert "\n" not in str(caught.value)


def test_another_writer_at_work_is_told_after_a_while(tmp_path, monkeypatch):
    checkpoints.write(tmp_path / "a", WHO, {"one": part(1.0)})
    monkeypatch.setattr(
        checkpoints, "locked", lambda folder, **how: locked(folder, **how, seconds=0)
    )
    with locked(tmp_path / "a"), pytest.raises(CheckpointError, match="Another cl-workbench"):
        checkpoints.write(tmp_path / "a", WHO, {"one": part(2.0)})
    assert content(tmp_path / "a") == {"one": 1.0}
