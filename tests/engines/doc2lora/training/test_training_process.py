"""Training as a process of its own, ended by a signal, and as several that work together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from engines.doc2lora.training.run_folder import RunFolder, read_lines
from tests.engines.doc2lora.training.training_data import NETWORK, settings
from tests.engines.tiny import tiny_model, tiny_tokenizer

ROOT = Path(__file__).parents[4]
MODULE = ["-m", "engines.doc2lora.training"]
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "tiny-base"
    tiny_model(layers=2).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)


def _config(folder, model, **changes):
    made = settings(folder, base_model=model, network=NETWORK, **changes)
    path = folder / "config.json"
    path.write_text(json.dumps(made.to_json()), "utf-8")
    return path


def _started(*arguments):
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finished(*arguments):
    process = _started(*arguments)
    out, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return out


def test_a_signal_ends_a_run_with_a_checkpoint_and_the_same_command_goes_on(tmp_path, model):
    config = _config(tmp_path, model, stages=[{"steps": 100_000, "sources": {"rows": 1}}])
    process = _started(*MODULE, str(config))
    assert process.stdout is not None
    line = next(line for line in process.stdout if line.startswith("step "))
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "stopped at step" in out
    done = int(line.split()[1])
    reached = int(RunFolder(tmp_path / "run").latest.name.removeprefix("step-"))
    assert reached >= done
    stages = json.dumps([{"steps": reached + 1, "sources": {"rows": 1}}])
    told = _finished(*MODULE, str(config), "--set", f"stages={stages}")
    assert f"done at step {reached + 1}" in told


def test_a_wrong_configuration_is_one_sentence(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("stages: []\n", "utf-8")
    process = _started(*MODULE, str(path))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "sources is missing" in errors
    assert "Traceback" not in errors


def test_two_processes_take_the_steps_that_one_would(tmp_path, model):
    alone = _config(tmp_path / "alone", model)
    _finished(*MODULE, str(alone))
    both = _config(tmp_path / "both", model)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    out = _finished(*launch, *MODULE, str(both))
    assert "done at step 6" in out
    one = read_lines(tmp_path / "alone" / "run" / "curve.jsonl")
    two = read_lines(tmp_path / "both" / "run" / "curve.jsonl")
    assert [row["questions"] for row in one] == [row["questions"] for row in two]
    for a, b in zip(one, two, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-3)
    assert read_lines(tmp_path / "both" / "run" / "sessions.jsonl")[0]["processes"] == 2
    (weights,) = (tmp_path / "both" / "run" / "checkpoints" / "step-6").glob("weights-*")
    assert all(tensor.isfinite().all() for tensor in load_file(weights).values())
