"""A published hypernetwork comes from the hub by its name, once."""

from __future__ import annotations

import pytest
from huggingface_hub import constants

from engines.doc2lora import published, stored
from engines.protocol import CheckpointError, EngineError
from tests.engines.doc2lora import published_file
from tests.engines.hub_server import serving

NAME = "SakanaAI/doc-to-lora:gemma_demo"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with the one published repository, of which one checkpoint is there."""
    place = tmp_path / "repository" / "gemma_demo" / "checkpoint-80000"
    place.mkdir(parents=True)
    published_file.write(place / "pytorch_model.bin")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    with serving({published.REPOSITORY: tmp_path / "repository"}) as address:
        monkeypatch.delenv("HF_HUB_OFFLINE")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield tmp_path


def test_it_is_fetched_converted_and_used_again_without_the_network(hub, monkeypatch):
    told = []
    folder = published.obtain(NAME, hub / "cache", report=lambda text, share: told.append(text))
    assert stored.load(folder).config.base_model == published_file.BASE
    assert told[-1] == f"converting {NAME}"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    told.clear()
    again = published.obtain(NAME, hub / "cache", report=lambda text, share: told.append(text))
    assert again == folder
    assert f"converting {NAME}" not in told


def test_a_checkpoint_that_the_hub_lacks_is_named(hub):
    with pytest.raises(CheckpointError, match="has no mistral_7b_d2l/checkpoint-20000"):
        published.obtain("mistral_7b_d2l", hub / "cache")


def test_a_report_that_raises_cancels_before_anything_is_stored(hub):
    def cancel(text, share):
        raise EngineError("cancelled")

    with pytest.raises(EngineError, match="cancelled"):
        published.obtain(NAME, hub / "cache", report=cancel)
    assert not (hub / "cache").exists()
