"""Which hypernetwork is used: the project's own for this base, a named one, or a sentence."""

from __future__ import annotations

import json

import pytest
import torch

from engines.doc2lora import shipped, stored
from engines.doc2lora.engine import Doc2LoraEngine
from engines.doc2lora.settings import Doc2LoraSettings
from engines.protocol import CheckpointError
from tests.engines.doc2lora import published_file
from tests.engines.doc2lora.d2l import as_learned, taught
from tests.engines.doc2lora.small_network import small_network
from tests.engines.learning import HARBOUR, tiny_host


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A place with hypernetworks for two bases; what the project ships is out of sight."""
    monkeypatch.setattr(shipped, "shipped_folders", lambda: (tmp_path / "shipped",))
    for name, family in (("for-llama", "llama"), ("for-qwen", "qwen2")):
        network = small_network(tiny_host(family).model)
        stored.save(tmp_path / "shipped" / name, network.config, network.state_dict())
    return tmp_path


def _find(choice, host, home, **more):
    return shipped.find(choice, host, cache=home / "cache", **more)


def test_auto_finds_the_one_for_this_very_base(home):
    assert _find("auto", tiny_host(), home).name == "for-llama"
    assert _find("auto", tiny_host("qwen2"), home).name == "for-qwen"


def test_auto_without_one_says_what_to_do(home):
    with pytest.raises(CheckpointError) as told:
        _find("auto", tiny_host(seed=9), home)
    assert "There is no hypernetwork for tiny llama yet" in str(told.value)
    assert "train-hypernetwork" in str(told.value)
    assert "doc2lora.hypernetwork" in str(told.value)


def test_a_damaged_one_is_passed_over_by_auto_and_told_by_name(home):
    (home / "shipped" / "for-llama" / stored.FILE).write_text("{")
    with pytest.raises(CheckpointError, match="no hypernetwork for tiny llama"):
        _find("auto", tiny_host(), home)
    with pytest.raises(CheckpointError, match="damaged"):
        Doc2LoraEngine(tiny_host(), _find("for-llama", tiny_host(), home))


def test_a_home_goes_before_what_is_shipped_and_names_are_listed(home):
    host = tiny_host()
    network = small_network(host.model, seed=3)
    stored.save(home / "own" / "mine", network.config, network.state_dict())
    assert _find("auto", host, home, folders=[home / "own"]).name == "mine"
    assert _find("for-llama", host, home, folders=[home / "own"]).name == "for-llama"
    assert shipped.available([home / "own", home / "none"]) == ("mine", "for-llama", "for-qwen")


def test_a_folder_can_be_given(home):
    folder = home / "shipped" / "for-llama"
    assert _find(str(folder), tiny_host(), home) == folder


def test_an_unknown_name_lists_what_there_is(home):
    with pytest.raises(CheckpointError, match="Installed here: for-llama, for-qwen"):
        _find("for-lama", tiny_host(), home)


def test_a_published_one_for_another_base_is_refused_before_it_is_fetched(home):
    name = "SakanaAI/doc-to-lora:gemma_demo"
    with pytest.raises(CheckpointError, match=r"gemma-2-2b-it, and tiny llama is loaded"):
        _find(name, tiny_host(), home)


def test_a_published_file_is_converted_and_then_found_by_auto(home):
    place = home / "download"
    place.mkdir()
    published_file.write(place / "pytorch_model.bin")
    host = tiny_host(seed=9)
    folder = _find(str(place), host, home)
    assert stored.load(folder).config.base_model == published_file.BASE
    host.name = published_file.BASE.rpartition("/")[2]
    assert _find("auto", host, home) == folder


def test_the_engine_finds_its_own_and_names_it(home):
    engine = Doc2LoraEngine(tiny_host(), cache=home / "cache")
    assert engine.hypernetwork == "for-llama"
    given = Doc2LoraEngine(tiny_host(), small_network(tiny_host().model))
    one, other = taught(engine, HARBOUR), taught(given, HARBOUR)
    assert torch.equal(as_learned(one), as_learned(other))
    assert one.facts_of(HARBOUR.id).identity == other.facts_of(HARBOUR.id).identity


def test_the_same_network_has_one_identity_in_bfloat16_too(home):
    host = tiny_host()
    network = small_network(host.model)
    stored.save(
        home / "half", network.config, network.state_dict(), dtype=torch.bfloat16,
        card={"name": "the half"},
    )  # fmt: skip
    engine = Doc2LoraEngine(host, home / "half")
    assert engine.hypernetwork == "the half"
    assert engine._maker.origin.identity == Doc2LoraEngine(host, network)._maker.origin.identity


def test_a_hypernetwork_for_another_base_is_refused_by_folder_too(home):
    with pytest.raises(CheckpointError, match="trained for tiny, and tiny qwen2 is loaded"):
        Doc2LoraEngine(tiny_host("qwen2"), home / "shipped" / "for-llama")
    settings = Doc2LoraSettings(hypernetwork="for-llama")
    with pytest.raises(CheckpointError, match="trained for tiny, and tiny qwen2 is loaded"):
        Doc2LoraEngine(tiny_host("qwen2"), settings=settings, cache=home / "cache")


def test_missing_weights_are_listed(home):
    host = tiny_host()
    network = small_network(host.model)
    weights = network.state_dict()
    for name in ("bias_a", "heads.weight"):
        del weights[name]
    weights["extra"] = torch.zeros(1)
    stored.save(home / "short", network.config, weights)
    with pytest.raises(CheckpointError) as told:
        Doc2LoraEngine(host, home / "short")
    for name in ("bias_a", "heads.weight", "have the unknown extra"):
        assert name in str(told.value)


def test_what_a_checkout_ships_is_beside_its_checkpoints():
    folders = shipped.shipped_folders()
    assert [folder.name for folder in folders] == ["hypernetworks"] * len(folders)
    assert len(folders) in {1, 2}


def test_a_manifest_of_nonsense_is_no_hypernetwork(home):
    folder = home / "shipped" / "odd"
    folder.mkdir()
    (folder / stored.FILE).write_text(json.dumps({"format": stored.FORMAT, "config": []}))
    assert _find("auto", tiny_host(), home).name == "for-llama"
