"""The settings of Doc-to-LoRA, from a file or a command line to the engine's own."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from cl_workbench.assembly import doc2lora_settings
from cl_workbench.home import Home
from cl_workbench.settings import Settings
from engines.doc2lora.settings import Doc2LoraSettings
from engines.protocol import EngineError


def load(home, *assignments):
    return Settings.load(home, assignments=assignments, environment={})


@pytest.fixture
def home(tmp_path):
    return Home.find(tmp_path / "home")


def test_the_defaults_are_the_engines_own(home):
    assert doc2lora_settings(load(home)) == Doc2LoraSettings()


def test_every_setting_reaches_the_engine(home):
    wanted = Doc2LoraSettings(
        mode="text", hypernetwork="mine", chunk_tokens=128, max_chunks=7, chunks_at_once=2,
        context_strength=0.5, bias_strength=2.0, precision="float32", measure_tokens=0,
        measure_questions=3, simulated=True, seed=9,
    )  # fmt: skip
    given = [f"doc2lora.{name}={str(v).lower()}" for name, v in asdict(wanted).items()]
    assert doc2lora_settings(load(home, *given)) == wanted


@pytest.mark.parametrize("written", ["true", '"true"'])
def test_simulated_is_written_as_yaml_does(home, written):
    home.user_settings.parent.mkdir(parents=True)
    home.user_settings.write_text(f"doc2lora:\n  simulated: {written}\n")
    assert doc2lora_settings(load(home)).simulated


@pytest.mark.parametrize(
    "wrong", ["mode=both", "chunk_tokens=8", "max_chunks=65", "context_strength=5", "simulated=ja"]
)
def test_what_is_out_of_range_is_refused_with_its_key(home, wrong):
    with pytest.raises(EngineError, match=f"doc2lora.{wrong.partition('=')[0]} can't be"):
        load(home, f"doc2lora.{wrong}")
