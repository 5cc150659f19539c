"""A training configuration says all that is wrong with it, and ours can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.doc2lora.config import HypernetworkConfig
from engines.doc2lora.hypernetwork import parameter_count
from engines.doc2lora.training.settings import TrainingSettingsError
from engines.doc2lora.training.settings_file import load_settings, settings_from
from tests.engines.doc2lora.training.training_data import settings

CONFIGS = Path(__file__).parents[4] / "configs" / "hypernetwork"
SMALL = {
    "sources": {"a": {"path": "a.jsonl"}},
    "stages": [{"steps": 3, "sources": {"a": 1}}],
}


def _faults(**changes):
    with pytest.raises(TrainingSettingsError) as caught:
        settings_from({**SMALL, **changes})
    return str(caught.value)


def test_settings_survive_the_way_through_json(tmp_path):
    made = settings(tmp_path)
    assert settings_from(made.to_json()) == made


def test_all_faults_are_told_at_once():
    told = _faults(
        optimiser={"learning_rat": 1, "clip": "no"}, loss={"average": "row"}, prompts="ask"
    )
    assert "optimiser.learning_rat is unknown, did you mean learning_rate?" in told
    assert "optimiser.clip is 'no': give a number." in told
    assert "loss.average is 'row': give one of token, context." in told
    assert "prompts must be a list." in told


def test_what_is_missing_is_named():
    with pytest.raises(TrainingSettingsError, match=r"stages is missing"):
        settings_from({"sources": {}})


def test_a_stage_must_draw_from_a_known_source():
    told = _faults(stages=[{"steps": 3, "sources": {"b": 1}}])
    assert "stages[0].sources has b, not found under sources." in told


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prompts": ["Tell me."]}, "every prompt must hold {question}"),
        ({"loss": {"distil": 0, "gold": 0}}, "nothing to learn"),
        ({"optimiser": {"ema": 1.0}}, "optimiser.ema"),
        ({"sources": {"a": {}}}, "sources.a needs either a path or a number of needles"),
        (
            {"stages": [{"steps": 1, "sources": {"a": 1}, "chunks": [4, 2]}]},
            "stages[0].chunks must be from 1 to 64",
        ),
        ({"stages": [{"steps": True, "sources": {"a": 1}}]}, "give a whole number"),
    ],
)
def test_values_that_cannot_be_are_refused(changes, said):
    assert said in _faults(**changes)


def test_a_file_is_named_with_its_faults_and_changes_go_by_dotted_name(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("sources: {a: {path: a.jsonl}}\nstages: [{steps: 3, sources: {a: 1}}]\n")
    assert load_settings(path, {"optimiser.clip": 2}).optimiser.clip == 2.0
    with pytest.raises(TrainingSettingsError, match=r"c\.yaml: .*optimiser\.cli is unknown"):
        load_settings(path, {"optimiser.cli": 2})
    path.write_text("[1, 2")
    with pytest.raises(TrainingSettingsError, match=r"can't be read as YAML or JSON"):
        load_settings(path)


def test_our_own_network_is_small_enough_to_ship():
    ours = load_settings(CONFIGS / "smollm2-135m.yaml")
    config = HypernetworkConfig(
        base_model="SmolLM2-135M-Instruct", layers=30, hidden=576, d_in=1536, d_out=576,
        **ours.network,
    )  # fmt: skip
    assert parameter_count(config) <= 30_000_000
    assert 2 * parameter_count(config) <= 60_000_000
