"""Hub models: from the cache, from a hub on this machine, and when there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from engines import devices, models
from engines.model_files import missing_parts
from engines.protocol import EngineError, ModelError
from tests.engines.hub_server import serving
from tests.engines.tiny import tiny_model, tiny_tokenizer

NAME = "tests/tiny"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A hub with a good model, one of pickles only, a gated and an incomplete one."""
    good = tmp_path / "good"
    tiny_model().save_pretrained(good)
    tiny_tokenizer().save_pretrained(good)
    (good / "README.md").write_text("not needed")
    (good / "onnx").mkdir()
    (good / "onnx" / "model.safetensors").write_bytes(b"not needed")
    pickles = tmp_path / "pickles"
    pickles.mkdir()
    (pickles / "config.json").write_text("{}")
    (pickles / "pytorch_model.bin").write_bytes(b"pickle")
    half = tmp_path / "half"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"")
    repos = {NAME: good, "tests/pickles": pickles, "gated/model": good, "tests/half": half}
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    with serving(repos) as address:
        monkeypatch.delenv("HF_HUB_OFFLINE")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield tmp_path


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_a_pulled_model_has_what_loading_needs_and_no_more(hub: Path) -> None:
    told: list[tuple[str, float | None]] = []
    folder = models.pull(NAME, report=lambda text, share: told.append((text, share)))
    names = {file.name for file in folder.rglob("*")}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert "README.md" not in names
    assert not (folder / "onnx").exists()
    assert any(text.startswith(f"downloading {NAME}") for text, _ in told)
    assert all(share is None or 0 <= share <= 1 for _, share in told)


def test_a_pulled_model_loads_lists_and_is_removed_without_the_network(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = models.pull(NAME)
    offline(monkeypatch)
    assert models.pull(NAME) == models.locate(NAME) == folder
    choice = models.choose(NAME)
    assert (choice.kind, choice.location) == ("hub", folder)
    loaded = models.load(choice)
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        assert torch.equal(loaded.model(ids).logits, tiny_model()(ids).logits)
    (listed,) = models.installed()
    assert (listed.name, listed.kind) == (NAME, "hub")
    assert models.remove(NAME) == listed.bytes > 0
    assert models.installed() == []
    with pytest.raises(ModelError, match="models list"):
        models.remove(NAME)


def test_loading_a_hub_model_fetches_it_first(hub: Path) -> None:
    choice = models.choose(NAME)
    assert choice.location is None
    assert models.load(choice).name == NAME


def test_a_download_that_was_cut_off_is_not_taken_for_a_model(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = models.pull(NAME)
    (folder / "model.safetensors").unlink()
    offline(monkeypatch)
    assert models.locate(NAME) is None
    assert models.installed() == []


def test_a_download_that_lacks_its_tokenizer_is_fetched_again(hub: Path) -> None:
    folder = models.pull(NAME)
    (folder / "tokenizer.json").unlink()
    assert models.locate(NAME) is None
    assert models.pull(NAME) == folder
    assert (folder / "tokenizer.json").is_file()


def test_one_kind_of_tokenizer_is_enough(tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path)
    assert "tokenizer" in str(missing_parts(tmp_path))
    (tmp_path / "vocab.json").touch()
    assert "tokenizer" in str(missing_parts(tmp_path))
    for names in (["merges.txt"], ["tokenizer.model"], ["tokenizer.json"]):
        for name in names:
            (tmp_path / name).touch()
        assert missing_parts(tmp_path) is None
        for name in (*names, "vocab.json"):
            (tmp_path / name).unlink(missing_ok=True)


def test_a_download_that_is_cancelled_says_so_and_not_that_the_hub_failed(hub: Path) -> None:
    def cancel(text: str, share: float | None) -> None:
        if text.startswith("downloading"):
            raise EngineError("It was cancelled.")

    with pytest.raises(EngineError, match=r"^It was cancelled\.$") as cancelled:
        models.pull(NAME, report=cancel)
    assert not isinstance(cancelled.value, ModelError)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tests/pickles", "no safetensors"),
        ("tests/absent", "has no model tests/absent"),
        ("gated/model", "accept its terms"),
        ("tests/half", "incomplete"),
    ],
)
def test_what_can_not_be_fetched_is_told_in_one_sentence(hub: Path, name: str, said: str) -> None:
    with pytest.raises(ModelError) as refused:
        models.pull(name)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_hub_that_does_not_answer_is_named(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="check the network"):
        models.pull(NAME)


def test_offline_is_told_before_anything_is_asked(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline(monkeypatch)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        models.pull(NAME)


def test_auto_takes_the_hub_model_with_cuda_if_cached_or_reachable(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The one thing this machine may lack is the GPU itself; all else here is real.
    monkeypatch.setattr(devices, "cuda_is_there", lambda: True)
    choice = models.choose("auto", hub_name=NAME)
    assert (choice.kind, choice.name, choice.location) == ("hub", NAME, None)
    assert "can be reached" in choice.why
    folder = models.pull(NAME)
    offline(monkeypatch)
    choice = models.choose("auto", hub_name=NAME)
    assert choice.location == folder
    assert "in the cache" in choice.why
    models.remove(NAME)
    choice = models.choose("auto", hub_name=NAME)
    assert choice.kind == "embedded"
    assert "neither in the cache nor reachable" in choice.why
