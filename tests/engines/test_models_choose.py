"""A name leads to one model, and the choice says why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engines import devices, models
from engines.protocol import ModelError
from tests.engines.tiny_gguf import write_tiny_gguf

no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


@no_cuda
def test_auto_without_cuda_is_the_embedded_model_and_says_so() -> None:
    choice = models.choose("auto")
    assert (choice.kind, choice.name) == ("embedded", "SmolLM2-135M-Instruct")
    assert choice.location is None
    assert "no CUDA device" in choice.why


def test_auto_on_a_device_set_to_cpu_does_not_look_further() -> None:
    assert "model.device is cpu" in models.choose("auto", device="cpu").why


def test_a_folder_is_called_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "my.model"
    folder.mkdir()
    choice = models.choose(str(folder))
    assert (choice.kind, choice.name, choice.location) == ("folder", "my.model", folder)


def test_a_folder_below_here_is_not_taken_for_a_hub_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    assert models.choose("org/name").kind == "hub"
    monkeypatch.chdir(tmp_path)
    assert models.choose("org/name").kind == "folder"


def test_a_gguf_file_is_called_by_its_stem(tmp_path: Path) -> None:
    choice = models.choose(str(tmp_path / "Tiny.Q4.gguf"))
    assert (choice.kind, choice.name) == ("gguf", "Tiny.Q4")


def test_a_converted_model_can_be_chosen_by_the_name_that_the_list_shows(tmp_path: Path) -> None:
    source = tmp_path / "tiny.v1.gguf"
    write_tiny_gguf(source)
    folder = models.pull(str(source))
    source.unlink()
    (listed,) = models.installed()
    choice = models.choose(listed.name)
    assert (choice.kind, choice.name, choice.location) == ("gguf", folder.name, folder)
    assert models.load(choice).name == listed.name


@pytest.mark.parametrize("name", ["", "gpt2", "a/b/c", "org/na me", "https://hub/model"])
def test_what_is_no_model_name_is_refused_with_what_is(name: str) -> None:
    with pytest.raises(ModelError, match="use 'auto', 'embedded', a hub id"):
        models.choose(name)


@pytest.mark.parametrize("act", [models.pull, models.locate, models.remove])
def test_auto_can_not_be_pulled_or_removed(act: object) -> None:
    assert callable(act)
    with pytest.raises(ModelError, match="'auto' is a choice"):
        act("auto")


def test_the_cache_is_in_the_users_cache_folder_unless_told(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CL_WORKBENCH_CACHE", "~/elsewhere")
    assert models.default_cache() == own_home / "elsewhere"
    monkeypatch.delenv("CL_WORKBENCH_CACHE")
    assert own_home in models.default_cache().parents
    assert models.default_cache().parts[-2:] == ("cl-workbench", "models")


def test_devices_are_named_as_torch_names_them() -> None:
    assert devices.resolve_device("cpu") == torch.device("cpu")
    expected = "cuda:0" if torch.cuda.is_available() else "cpu"
    assert devices.resolve_device("auto") == torch.device(expected)


@no_cuda
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_missing_gpu_is_told_with_what_to_set(name: str) -> None:
    with pytest.raises(ModelError, match=r"no CUDA device here: set model\.device to auto"):
        devices.resolve_device(name)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:-1", "cuda:x"])
def test_an_unknown_device_is_told_with_those_there_are(name: str) -> None:
    with pytest.raises(ModelError, match="use auto, cpu, cuda, cuda:N or mps"):
        devices.resolve_device(name)


def test_weights_are_float32_on_a_cpu_and_bfloat16_on_a_gpu() -> None:
    assert devices.resolve_dtype("auto", torch.device("cpu")) is torch.float32
    assert devices.resolve_dtype("auto", torch.device("mps")) is torch.float32
    assert devices.resolve_dtype("auto", torch.device("cuda:0")) is torch.bfloat16
    assert devices.resolve_dtype("bfloat16", torch.device("cpu")) is torch.bfloat16
    with pytest.raises(ModelError, match="use auto, float32, bfloat16, float16"):
        devices.resolve_dtype("int8", torch.device("cpu"))


def test_more_than_the_memory_is_refused_with_both_sizes() -> None:
    with pytest.raises(ModelError, match=r"big needs 1000000\.0 GB of this machine's memory and"):
        devices.require_memory(10**15, torch.device("cpu"), "big")


def test_importing_the_module_does_not_import_torch() -> None:
    code = "import sys, engines.models; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
