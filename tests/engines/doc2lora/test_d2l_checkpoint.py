"""What is learned on the disk: it comes back to the bit, and nothing else gets in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engines import checkpoint_parts
from engines.checkpoints import MANIFEST
from engines.doc2lora.engine import Doc2LoraEngine
from engines.doc2lora.settings import Doc2LoraSettings
from engines.protocol import CheckpointError
from tests.engines.doc2lora.d2l import MILL, THREE, as_learned, d2l_engine, taught
from tests.engines.learning import AVIARY, HARBOUR, logits, tiny_engine, tiny_host


@pytest.fixture
def saved(tmp_path):
    engine = taught(d2l_engine(), *THREE)
    engine.mute(AVIARY.id)
    engine.weigh(MILL.id, 0.5)
    engine.strength, engine.bias_strength = 1.5, 0.5
    engine.save(tmp_path / "kept")
    return engine, tmp_path / "kept"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_comes_back_to_the_bit_with_its_dials(tmp_path, precision):
    engine = taught(d2l_engine(precision=precision), *THREE)
    engine.mute(AVIARY.id)
    engine.weigh(MILL.id, 0.5)
    engine.strength, engine.bias_strength = 1.5, 0.5
    engine.save(tmp_path / "kept")
    other = taught(d2l_engine(), MILL)
    other.load(tmp_path / "kept")
    assert torch.equal(as_learned(other), as_learned(engine))
    assert other.documents == engine.documents
    assert other.muted == engine.muted
    assert other.weights == engine.weights
    assert (other.strength, other.bias_strength) == (1.5, 0.5)
    assert other.notes == ()
    for document in THREE:
        other.forget(document.id)
    assert torch.equal(as_learned(other), logits(other.host))


def test_only_loras_are_saved(saved):
    _, folder = saved
    shapes = [
        {name: tuple(t.shape) for name, t in load_file(path).items()}
        for path in sorted(folder.glob("*.safetensors"))
    ]
    assert len(shapes) == 4  # three documents and one bias
    assert all(found.keys() == {"a", "b"} for found in shapes)
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["hypernetwork"]["identity"] == saved[0]._maker.origin.identity
    assert manifest["settings"]["max_chunks"] == 64


def test_an_empty_ledger_can_be_saved_and_loaded(tmp_path):
    d2l_engine().save(tmp_path / "none")
    engine = taught(d2l_engine(), HARBOUR)
    engine.load(tmp_path / "none")
    assert engine.documents == ()
    assert torch.equal(as_learned(engine), logits(engine.host))


def test_another_hypernetworks_documents_are_taken_in_and_told(saved, tmp_path):
    engine, folder = saved
    other = d2l_engine(seed=1)
    other.load(folder)
    assert torch.equal(as_learned(other), as_learned(engine))
    assert "3 of 3 documents were made by another hypernetwork" in other.notes[0]
    assert all("made by the hypernetwork" in report.notes[-1] for report in other.documents)
    other.reset()
    assert other.notes == ()
    other.load(folder)
    other.save(tmp_path / "again")
    back = d2l_engine()
    back.load(tmp_path / "again")
    assert back.documents == engine.documents  # the note is not part of what was learned


def test_documents_of_two_hypernetworks_share_the_bias_by_weight(saved):
    _, folder = saved
    mixed = d2l_engine(seed=1)
    mixed.load(folder)
    mixed.strength = mixed.bias_strength = 1.0
    mixed.forget(AVIARY.id)
    mixed.forget(MILL.id)
    taught(mixed, AVIARY)
    weights = {m.name: m.weight for m in mixed._mounts_with() if m.name.startswith("bias-")}
    assert sorted(weights.values()) == [0.5, 0.5]
    mixed.mute(HARBOUR.id)
    alone = taught(d2l_engine(seed=1), AVIARY)
    assert torch.equal(as_learned(mixed), as_learned(alone))


def test_another_base_or_engine_is_refused_with_both_names(saved, tmp_path):
    _, folder = saved
    other = taught(d2l_engine(tiny_host(seed=5)), HARBOUR)
    before = as_learned(other)
    with pytest.raises(CheckpointError, match="made on tiny llama, and tiny llama is loaded"):
        other.load(folder)
    assert torch.equal(as_learned(other), before)
    tiny_engine().save(tmp_path / "ttt")
    with pytest.raises(CheckpointError, match="belongs to the engine 'ttt'"):
        other.load(tmp_path / "ttt")


def test_a_simulated_checkpoint_stays_simulated(tmp_path):
    host = tiny_host()
    settings = Doc2LoraSettings(simulated=True)
    engine = taught(Doc2LoraEngine(host, settings=settings), HARBOUR)
    engine.save(tmp_path / "fake")
    with pytest.raises(CheckpointError, match="SIMULATED"):
        d2l_engine(host).load(tmp_path / "fake")
    again = Doc2LoraEngine(host, settings=settings)
    again.load(tmp_path / "fake")
    assert torch.equal(as_learned(again), as_learned(engine))


def _rewritten(folder: Path, change) -> None:
    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("muted", "yes"), ("weight", 5.0), ("weight", None), ("weight", True), ("scaling", 0.0),
        ("scaling", float("nan")), ("lora_chunks", 0), ("lora_chunks", 7), ("lora_chunks", "2"),
        ("has_bias", 1), ("hypernetwork", {}), ("hypernetwork", "x"), ("unknown", 1),
        ("hypernetwork", {"name": "x", "identity": "../../x", "simulated": False}),
    ],
)  # fmt: skip
def test_a_wrong_row_is_damage_and_changes_nothing(saved, key, value):
    engine, folder = saved
    before = as_learned(engine)
    _rewritten(folder, lambda manifest: manifest["documents"][0].update({key: value}))
    with pytest.raises(CheckpointError, match="damaged"):
        engine.load(folder)
    assert torch.equal(as_learned(engine), before)


@pytest.mark.parametrize("value", [None, -1, 99, "1", True])
def test_a_wrong_dial_is_damage(saved, value):
    engine, folder = saved
    _rewritten(folder, lambda manifest: manifest.update(bias_strength=value))
    with pytest.raises(CheckpointError, match="damaged"):
        engine.load(folder)
    assert engine.bias_strength == 0.5


@pytest.mark.parametrize(
    "change",
    [
        lambda a, b: {"a": a * float("nan"), "b": b},
        lambda a, b: {"a": a},
        lambda a, b: {"a": a.half(), "b": b.half()},
        lambda a, b: {"a": a[:, :-1], "b": b},
        lambda a, b: {"a": a[:-1], "b": b[:-1]},
        lambda a, b: {"a": a[..., :-1], "b": b},
        lambda a, b: {"a": a[0], "b": b[0]},
        lambda a, b: {"a": a[:, :0], "b": b[:, :0]},
    ],
)
def test_tensors_that_do_not_fit_are_damage(saved, change):
    engine, folder = saved
    before = as_learned(engine)

    def spoil(manifest):
        old = load_file(folder / manifest["parts"][HARBOUR.id]["file"])
        parts = checkpoint_parts.write_part(folder, HARBOUR.id, change(old["a"], old["b"]))
        manifest["parts"][HARBOUR.id] = parts

    _rewritten(folder, spoil)
    with pytest.raises(CheckpointError, match="damaged"):
        engine.load(folder)
    assert torch.equal(as_learned(engine), before)


def test_a_document_twice_and_a_missing_part_are_damage(saved):
    engine, folder = saved
    _rewritten(folder, lambda m: m["documents"].append(m["documents"][0]))
    with pytest.raises(CheckpointError, match="damaged"):
        engine.load(folder)
    _rewritten(folder, lambda m: (m["documents"].pop(), m["parts"].pop(MILL.id)))
    with pytest.raises(CheckpointError, match="damaged"):
        engine.load(folder)
