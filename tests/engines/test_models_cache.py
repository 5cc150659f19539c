"""The model cache holds whole models or none, whoever is interrupted or comes at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engines import models
from engines.protocol import EngineError, ModelError
from tests.engines.tiny import tiny_tokenizer
from tests.engines.tiny_gguf import write_tiny_gguf

IDS = torch.tensor([[5, 17, 101, 42]])

# A program that pulls a model and stops for good at its last step, as if killed there.
STOPS_WHILE_WRITING = """
import signal, sys
from engines import models

def report(text, share):
    if text.startswith("writing"):
        print("writing", flush=True)
        signal.pause()

models.pull(sys.argv[1], report=report)
"""

PULLS = "import sys; from engines import models; print(models.pull(sys.argv[1]))"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tiny GGUF file."""
    path = tmp_path / "tiny.gguf"
    write_tiny_gguf(path)
    return path


def leftovers() -> list[str]:
    return [p.name for p in models.default_cache().iterdir() if p.name.startswith(".partial")]


@torch.no_grad()
def test_a_converted_model_computes_what_the_original_did(tmp_path: Path) -> None:
    path = tmp_path / "exact.gguf"
    original = write_tiny_gguf(path)
    loaded = models.load(models.choose(str(path)))
    assert torch.equal(loaded.model(IDS).logits, original(IDS).logits)
    text = "Who kept the lamp?  Tobias."
    assert loaded.tokenizer(text)["input_ids"] == tiny_tokenizer()(text)["input_ids"]
    assert loaded.tokenizer.chat_template == tiny_tokenizer().chat_template
    assert loaded.tokenizer.eos_token == "<|im_end|>"


@torch.no_grad()
def test_quantised_weights_become_plain_float32_ones(tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    original = write_tiny_gguf(path, quantised=True)
    model = models.load(models.choose(str(path))).model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    weight, exact = model.lm_head.weight, original.lm_head.weight
    assert 0 < (weight - exact).abs().max() < exact.abs().max() / 5


def test_numbers_are_cut_into_digits_also_after_white_space(source: Path) -> None:
    tokenizer = models.load(models.choose(str(source))).tokenizer
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("in  1871")["input_ids"])
    assert tokens[-4:] == list("1871")
    assert tokenizer.decode(tokenizer("in  1871")["input_ids"]) == "in  1871"


def test_a_file_is_converted_once_and_known_again(source: Path, tmp_path: Path) -> None:
    assert models.locate(str(source)) is None
    folder = models.pull(str(source))
    made = (folder / "model.safetensors").stat().st_mtime_ns
    assert models.pull(str(source)) == models.locate(str(source)) == folder
    moved = source.rename(tmp_path / "renamed.gguf")
    assert models.pull(str(moved)) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == made


def test_another_file_under_the_same_name_is_another_model(source: Path) -> None:
    first = models.pull(str(source))
    write_tiny_gguf(source, seed=1)
    assert models.locate(str(source)) is None
    second = models.pull(str(source))
    assert first != second
    assert [model.path for model in models.installed()] == sorted([first, second])


def test_removing_frees_the_copy_and_leaves_the_file(source: Path) -> None:
    folder = models.pull(str(source))
    (listed,) = models.installed()
    assert (listed.kind, listed.name, listed.path) == ("gguf", folder.name, folder)
    assert models.remove(str(source)) == listed.bytes > 0
    assert not folder.exists()
    assert leftovers() == []
    assert source.exists()
    assert models.installed() == []
    with pytest.raises(ModelError, match="models list"):
        models.remove(str(source))


def test_a_folder_of_the_users_own_is_never_removed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a folder of your own"):
        models.remove(str(tmp_path))
    assert tmp_path.exists()


@pytest.mark.parametrize("damage", ["missing", "shorter", "manifest", "outdated"])
def test_half_a_model_is_not_taken_for_one_and_made_anew(source: Path, damage: str) -> None:
    folder = models.pull(str(source))
    weights, manifest = folder / "model.safetensors", folder / "manifest.json"
    if damage == "missing":
        weights.unlink()
    elif damage == "shorter":
        os.truncate(weights, 100)
    elif damage == "manifest":
        manifest.write_text(manifest.read_text()[:50])
    else:
        manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 0'))
    assert models.locate(str(source)) is None
    assert models.installed() == []
    assert models.pull(str(source)) == folder
    models.load(models.choose(str(source)))
    assert leftovers() == []


def test_a_pull_that_was_killed_leaves_nothing_that_counts(source: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STOPS_WHILE_WRITING, str(source)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
    assert len(leftovers()) == 1
    assert models.locate(str(source)) is None
    models.load(models.choose(str(source)))
    assert leftovers() == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, EngineError])
def test_a_report_that_raises_cancels_and_keeps_nothing(
    source: Path, kind: type[BaseException]
) -> None:
    def cancel(text: str, share: float | None) -> None:
        if share:
            raise kind("It was cancelled.")

    with pytest.raises(kind, match=r"^It was cancelled\.$") as cancelled:
        models.pull(str(source), report=cancel)
    assert cancelled.type is kind
    assert leftovers() == []
    assert models.installed() == []


def test_programs_that_pull_at_once_get_one_model(source: Path) -> None:
    command = [sys.executable, "-c", PULLS, str(source)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = {process.communicate()[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert told == {f"{models.locate(str(source))}\n"}
    assert leftovers() == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "check model.name and the file"),
        (b"", "not a GGUF file"),
        (b"PK\x03\x04 something else", "not a GGUF file"),
        (b"GGUF\x03\x00\x00\x00", "use a GGUF file that is whole"),
    ],
)
def test_a_broken_file_is_told_in_one_sentence(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "broken.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError) as refused:
        models.pull(str(path))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert models.installed() == []


def test_a_file_that_was_cut_off_is_told(source: Path) -> None:
    os.truncate(source, source.stat().st_size // 2)
    with pytest.raises(ModelError, match="use a GGUF file that is whole"):
        models.pull(str(source))


def test_a_cache_that_can_not_be_written_is_named(source: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(ModelError, match="CL_WORKBENCH_CACHE"):
        models.pull(str(source), blocked / "cache")
