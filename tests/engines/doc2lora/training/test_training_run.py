"""A whole run on a tiny model: it learns, says so, stops, and goes on to the bit."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engines.doc2lora import stored
from engines.doc2lora.training import trainer
from engines.doc2lora.training.events import (
    Evaluated,
    Finished,
    Prepared,
    Sample,
    Saved,
    Skipped,
    StepDone,
    TeacherProgress,
)
from engines.doc2lora.training.following import follow
from engines.doc2lora.training.lesson import Lesson
from engines.doc2lora.training.lines import line_of
from engines.doc2lora.training.run_folder import RunFolder, read_lines
from engines.doc2lora.training.trainer import train
from engines.locks import BusyError
from engines.protocol import EngineError
from tests.engines.doc2lora.training.training_data import base, settings


def _run(folder, **changes):
    return list(train(settings(folder, **changes), base=base()))


def _of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def _tensors(checkpoint: Path):
    found = {}
    for path in sorted(checkpoint.glob("*.safetensors")):
        part = path.name.rpartition("-")[0]
        found |= {f"{part}.{name}": t for name, t in load_file(path).items()}
    return found


def _until_step(events, step):
    for event in events:
        if isinstance(event, StepDone) and event.step >= step:
            return


def test_a_run_tells_what_it_does_and_leaves_it_in_its_folder(tmp_path):
    events = _run(tmp_path)
    assert isinstance(events[0], Prepared)
    assert events[0].steps == 6
    assert 0 < events[0].held_out <= 4
    assert [e.step for e in _of(StepDone, events)] == [2, 4, 6]
    assert [e.step for e in _of(Evaluated, events)] == [0, 3, 6]
    assert events[-1] == Finished(6, "done")
    folder = RunFolder(tmp_path / "run")
    assert folder.latest == tmp_path / "run" / "checkpoints" / "step-6"
    assert len(read_lines(tmp_path / "run" / "curve.jsonl")) == 3
    assert len(read_lines(tmp_path / "run" / "samples.jsonl")) == 3
    assert json.loads((tmp_path / "run" / "config.json").read_text())["seed"] == 0
    assert all(line_of(event) for event in events)
    assert not [*tmp_path.rglob("*.tmp"), *tmp_path.rglob("*.bin"), *tmp_path.rglob("*.pt")]


def test_before_the_first_step_the_lora_does_nothing(tmp_path):
    first = _of(Evaluated, _run(tmp_path))[0]
    assert first.lora == first.other_document == first.closed_book
    assert first.gain_share in (0.0, None)
    assert first.by_source.keys() == {"rows"}


def test_what_a_run_leaves_is_ready_for_use(tmp_path):
    events = _run(tmp_path)
    assert _of(Evaluated, events)[-1].lora < _of(Evaluated, events)[0].lora
    network = stored.load(tmp_path / "run" / "best")
    assert network.config.base_model == "tiny"
    card = stored.read_manifest(tmp_path / "run" / "best")["card"]
    assert card["evaluation"]["is_best"]
    assert stored.load(tmp_path / "run" / "checkpoints" / "step-6").config == network.config


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"loss": {"average": "context", "gold": 0.0}},
        {
            "calibration_contexts": 4,
            "stages": [
                {"steps": 3, "sources": {"rows": 1}, "distil": 0},
                {"steps": 3, "sources": {"rows": 1}, "chunks": [1, 3], "min_chunk_tokens": 4},
            ],
        },
    ],
)
def test_a_run_that_was_stopped_goes_on_to_the_bit(tmp_path, changes):
    _run(tmp_path / "whole", **changes)
    stopped = train(settings(tmp_path / "parts", **changes), base=base())
    _until_step(stopped, 2)
    stopped.close()
    assert RunFolder(tmp_path / "parts" / "run").latest.name == "step-2"
    events = _run(tmp_path / "parts", **changes)
    assert events[0].step == 2
    whole = _tensors(tmp_path / "whole" / "run" / "checkpoints" / "step-6")
    parts = _tensors(tmp_path / "parts" / "run" / "checkpoints" / "step-6")
    assert whole.keys() == parts.keys()
    assert any(name.startswith("optimiser") for name in whole)
    for name, tensor in whole.items():
        assert torch.equal(tensor, parts[name]), name


def test_lines_after_the_checkpoint_are_taken_back_on_resuming(tmp_path):
    going = train(settings(tmp_path), base=base())
    _until_step(going, 2)
    going.close()
    run = RunFolder(tmp_path / "run")
    run.append(Skipped(5, "killed before the next checkpoint"))
    _run(tmp_path)
    assert read_lines(tmp_path / "run" / "skipped.jsonl") == []
    assert [row["step"] for row in read_lines(tmp_path / "run" / "curve.jsonl")] == [2, 4, 6]
    assert [row["step"] for row in read_lines(tmp_path / "run" / "sessions.jsonl")] == [0, 2]


def test_a_request_to_stop_leaves_a_checkpoint(tmp_path):
    asked = [False]
    events = []
    for event in train(settings(tmp_path), base=base(), stop=lambda: asked[0]):
        events.append(event)
        asked[0] = asked[0] or isinstance(event, StepDone)
    assert events[-1] == Finished(2, "stopped")
    assert isinstance(events[-2], Saved)
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "stopped"


def test_two_processes_cannot_train_in_one_folder(tmp_path):
    going = train(settings(tmp_path), base=base())
    _until_step(going, 2)
    with pytest.raises(BusyError):
        next(train(settings(tmp_path), base=base()))
    going.close()


def test_only_the_newest_checkpoints_stay(tmp_path):
    events = _run(tmp_path, watch={"checkpoint_minutes": 0.0, "keep": 2, "samples": 0})
    assert len(_of(Saved, events)) == 6
    kept = sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == ["step-5", "step-6"]


def test_gradients_are_the_same_however_a_step_is_cut_into_batches(tmp_path):
    whole = {"contexts": 4, "contexts_at_once": 4, "learning_rate": 0.01, "warmup_steps": 2}
    _run(tmp_path / "one", optimiser=whole)
    _run(tmp_path / "four", optimiser={**whole, "contexts_at_once": 1})
    one = read_lines(tmp_path / "one" / "run" / "curve.jsonl")
    four = read_lines(tmp_path / "four" / "run" / "curve.jsonl")
    for a, b in zip(one, four, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-3)
        assert a["gradient_norm"] == pytest.approx(b["gradient_norm"], rel=1e-2)
        assert a["questions"] == b["questions"]


def test_the_teacher_can_be_asked_for_all_before_the_first_step(tmp_path):
    events = _run(tmp_path, teacher={"ahead": True})
    told = _of(TeacherProgress, events)
    assert [t.done for t in told] == list(range(1, told[-1].of + 1))
    assert list((tmp_path / "teacher").glob("shard-*.safetensors"))


def _broken(real):
    def give(*arguments):
        lesson = real(*arguments)
        nan = torch.tensor(float("nan"))
        return Lesson(lesson.loss * nan, lesson.distil, lesson.gold, lesson.size)

    return give


def test_steps_that_are_not_finite_are_skipped_and_at_last_the_run_gives_up(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "give", _broken(trainer.give))
    going = train(settings(tmp_path, optimiser={"max_skipped": 3}), base=base())
    events = []
    with pytest.raises(EngineError, match="3 steps in a row gave numbers that are not finite"):
        for event in going:
            events.append(event)
    assert [e.step for e in _of(Skipped, events)] == [1, 2]
    assert "nan" in _of(Skipped, events)[0].reason


def test_a_network_can_be_trained_on(tmp_path):
    _run(tmp_path / "first")
    initial = str(tmp_path / "first" / "run" / "best")
    events = _run(tmp_path / "second", initial=initial)
    assert _of(Evaluated, events)[0].lora != _of(Evaluated, events)[0].closed_book


def test_following_a_run_gives_its_events_and_its_end(tmp_path):
    told = [e for e in _run(tmp_path) if isinstance(e, Prepared | StepDone | Evaluated | Sample)]
    followed = list(follow(tmp_path / "run"))
    assert followed[-1] == Finished(6, "done")
    assert len(followed) == len(told) + 1
    assert [e for e in followed if isinstance(e, StepDone)] == _of(StepDone, told)


def test_following_a_run_that_goes_on(tmp_path):
    going = train(settings(tmp_path), base=base())
    _until_step(going, 2)
    watching = follow(tmp_path / "run", poll_seconds=0)
    seen = list(iter(lambda: next(watching), None))
    assert [e.step for e in seen if isinstance(e, StepDone)] == [2]
    _until_step(going, 4)
    assert [e.step for e in islice(watching, 1) if isinstance(e, StepDone)] != [2]
    going.close()
    watching.close()


def test_a_folder_without_a_run_cannot_be_followed(tmp_path):
    with pytest.raises(EngineError, match="no training run"):
        next(follow(tmp_path))
