"""Loading gives a frozen model, or one sentence on what is wrong with its folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.utils import logging as transformers_logging

from engines import models
from engines.model_loading import LoadedModel
from engines.protocol import ModelError
from tests.engines.tiny import FAMILIES, tiny_model, tiny_tokenizer

IDS = torch.tensor([[5, 17, 101, 42]])
LOST = "model.layers.2.mlp.up_proj.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole tiny model on disk."""
    place = tmp_path / "tiny"
    tiny_model().save_pretrained(place)
    tiny_tokenizer().save_pretrained(place)
    return place


def load(folder: Path, **settings: str) -> LoadedModel:
    return models.load(models.choose(str(folder)), **settings)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_every_family_comes_back_as_it_was_saved(family: str, tmp_path: Path) -> None:
    saved = tiny_model(family)
    saved.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    loaded = load(tmp_path, device="cpu")
    assert torch.equal(loaded.model(IDS).logits, saved(IDS).logits)


def test_a_loaded_model_is_frozen_and_tells_where_and_what_it_is(folder: Path) -> None:
    loaded = load(folder, device="cpu")
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert (loaded.name, str(loaded.device), loaded.dtype) == ("tiny", "cpu", torch.float32)
    assert loaded.why
    assert loaded.tokenizer.decode(loaded.tokenizer("Tobias")["input_ids"]) == "Tobias"


def test_a_smaller_number_type_can_be_asked_for(folder: Path) -> None:
    loaded = load(folder, device="cpu", dtype="bfloat16")
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.bfloat16}


@torch.no_grad()
def test_a_device_map_leaves_the_model_whole(folder: Path) -> None:
    loaded = load(folder, device="cpu", device_map="auto")
    assert loaded.model(IDS.to(loaded.device)).logits.shape == (1, 4, 400)


def test_a_model_in_several_files_loads(tmp_path: Path) -> None:
    saved = tiny_model()
    saved.save_pretrained(tmp_path, max_shard_size="50KB")
    tiny_tokenizer().save_pretrained(tmp_path)
    parts = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(parts) > 1
    load(tmp_path)
    parts[1].unlink()
    with pytest.raises(ModelError, match=parts[1].name):
        load(tmp_path)


def test_loading_says_nothing_and_leaves_the_librarys_settings(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    before = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    capfd.readouterr()
    models.load(models.choose(str(folder)), report=lambda text, share: told.append(text))
    assert capfd.readouterr() == ("", "")
    after = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    assert after == before == (logging.WARNING, True)
    assert any(text.startswith("loading tiny (") for text in told)


def no_folder(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def unknown_architecture(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "brandnew"}')


def unsupported_family(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "gpt2"}')


def quantised(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))


def own_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "odd", "auto_map": {"AutoConfig": "odd.OddConfig"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "odd.py").write_text("raise SystemExit('this code ran')")


def pickles_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def cut_off_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:20_000])


def empty_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def a_lost_weight(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors[LOST]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def a_weight_of_another_shape(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors[LOST] = tensors[LOST][:5].contiguous()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_folder, "check model.name"),
        (no_config, "no config.json"),
        (broken_config, "configuration of tiny can't be used"),
        (unknown_architecture, "supported are Llama"),
        (unsupported_family, "its MLP has no gate"),
        (quantised, "is quantised"),
        (own_code, "custom code"),
        (pickles_only, "convert it to safetensors first"),
        (no_weights, "no model.safetensors"),
        (cut_off_weights, "damaged or cut off"),
        (empty_weights, "damaged or cut off"),
        (a_lost_weight, f"lack 1 weights such as {LOST}"),
        (a_weight_of_another_shape, "can't be loaded"),
        (no_tokenizer, "no tokenizer.json or tokenizer.model"),
        (broken_tokenizer, "put the model's tokenizer.json into"),
    ],
)
def test_a_folder_that_can_not_be_loaded_is_told_in_one_sentence(
    folder: Path, damage: Callable[[Path], None], said: str
) -> None:
    choice = models.choose(str(folder))
    damage(folder)
    with pytest.raises(ModelError) as refused:
        models.load(choice)
    sentence = str(refused.value)
    assert said in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_a_wrong_device_is_told_before_anything_is_fetched() -> None:
    with pytest.raises(ModelError, match=r"model\.device"):
        models.load(models.choose("embedded"), device="gpu")
    assert models.locate("embedded") is None
