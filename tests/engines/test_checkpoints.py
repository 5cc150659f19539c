"""A checkpoint is the old one or the new one, whole, whenever the writer dies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engines import checkpoints
from engines.protocol import CheckpointError

WHO = {"engine": "ttt", "model": "m", "fingerprint": "f"}
WRITER = """
import sys, torch
from pathlib import Path
from engines import checkpoints
folder = Path(sys.argv[1])
print("begin", flush=True)
for n in range(1, 100_000):
    tensors = {"values": torch.full((300_000,), float(n))}
    checkpoints.write(folder, {"engine": "ttt", "model": "m", "fingerprint": "f", "n": n}, tensors)
"""


@pytest.mark.parametrize("seed", range(4))
def test_a_writer_killed_at_any_moment_leaves_a_whole_checkpoint(tmp_path, seed):
    folder = tmp_path / "state"
    checkpoints.write(folder, {**WHO, "n": 0}, {"values": torch.zeros(300_000)})
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
    manifest, tensors = checkpoints.read(folder, engine="ttt", model="m", fingerprint="f")
    assert tensors["values"].unique().tolist() == [float(manifest["n"])]
    checkpoints.write(folder, {**WHO, "n": -1}, {"values": torch.ones(3)})
    assert len(list(folder.glob("state-*.safetensors"))) == 1  # what the dead one left is gone


def test_a_checkpoint_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint 'mine'"):
        checkpoints.read(tmp_path / "mine", **WHO)


def test_another_engine_is_refused(tmp_path):
    checkpoints.write(tmp_path / "a", WHO, {"values": torch.ones(3)})
    with pytest.raises(CheckpointError, match="--engine"):
        checkpoints.read(tmp_path / "a", engine="ace", model="m", fingerprint="f")


def test_saving_into_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError) as caught:
        checkpoints.write(tmp_path / "file", WHO, {"values": torch.ones(3)})
    assert "\n" not in str(caught.value)
