"""Training a hypernetwork from the command line, and following a run."""

from __future__ import annotations

import json
import signal

import pytest
from test_import_rules import HEAVY, imported
from training_run import write_config

from tests.cl_workbench.command_line import start


@pytest.fixture
def config(tmp_path, model):
    return write_config(tmp_path / "training", model)


def test_a_run_is_trained_followed_and_gone_on_with(call, config):
    folder = config.parent / "run"
    train = ["train-hypernetwork", "--config", config]
    code, out, err = call(*train)
    assert code == 0, err
    assert "step 2 (stage 1): loss" in out
    assert "evaluation at 2" in out
    assert "done at step 2" in out

    code, out, _ = call("train-hypernetwork", "--follow", folder, "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [e["step"] for e in events if e["event"] == "step"] == [1, 2]
    assert events[-1] == {"event": "finished", "step": 2, "reason": "done"}

    code, _, err = call(*train)
    assert code == 1
    assert "add --resume to go on with it" in err
    more = ["--change", "stages=[{steps: 3, sources: {facts: 1}, context_tokens: [1, 200]}]"]
    rate = ["--change", "optimiser.learning_rate=1e-4"]
    code, out, err = call("train-hypernetwork", "--resume", "--run", folder, *more, *rate)
    assert code == 0, err
    assert "step 2 of 3" in out
    assert "done at step 3" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "Give --config FILE to train"),
        (["--resume"], "Give --config FILE to train"),
        (["--follow", "x", "--resume"], "--follow trains nothing"),
        (["--change", "seed"], "--change seed has no '='"),
        (["--config", "nowhere.yaml"], "'nowhere.yaml' does not exist"),
    ],
)
def test_wrong_use_says_what_to_give(call, options, said):
    code, out, err = call("train-hypernetwork", *options)
    assert (code, out) == (2, "")
    assert said in err


def test_what_can_not_be_trained_is_one_sentence(call, config, tmp_path):
    train = ["train-hypernetwork", "--config", config]
    code, _, err = call(*train, "--change", "optimiser.learning_rat=1")
    assert code == 1
    assert "did you mean learning_rate?" in err
    code, _, err = call(*train, "--resume")
    assert code == 1
    assert "leave out --resume to begin" in err
    code, _, err = call("train-hypernetwork", "--resume", "--run", tmp_path)
    assert code == 1
    assert "begin one with --config FILE" in err
    code, _, err = call("train-hypernetwork", "--follow", tmp_path)
    assert code == 1
    assert "There is no training run in" in err


def test_ctrl_c_stops_with_a_checkpoint(tmp_path, model, home):
    stages = [{"steps": 100_000, "sources": {"facts": 1}, "context_tokens": [1, 200]}]
    config = write_config(tmp_path / "training", model, stages=stages)
    process = start("train-hypernetwork", "--config", str(config), "--json")
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "step":
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    last = [json.loads(line) for line in out.splitlines()]
    assert last[-1]["event"] == "finished"
    assert last[-1]["reason"] == "stopped"
    saved = next(event for event in last if event["event"] == "saved")
    assert (config.parent / "run" / "latest").read_text().strip() in saved["folder"]


def test_help_is_quick():
    call = "from cl_workbench.cli import run; assert run(['train-hypernetwork', '--help']) == 0"
    assert imported(call).isdisjoint({*HEAVY, "accelerate"})
