"""A hypernetwork's configuration survives JSON, and says all that is wrong with it."""

from __future__ import annotations

import json

import pytest

from engines.doc2lora.affixes import Affixes
from engines.doc2lora.config import HypernetworkConfig
from engines.protocol import CheckpointError
from tests.engines.doc2lora.small_network import small_config
from tests.engines.tiny import tiny_model


def test_a_configuration_survives_json():
    config = small_config(tiny_model(), affixes=Affixes("<a>", "<b>", (1, 2), (3,)))
    text = json.dumps(config.to_json())
    assert HypernetworkConfig.from_json(json.loads(text)) == config


def test_widths_follow_from_the_base_and_the_latent():
    config = HypernetworkConfig.for_base(tiny_model(), base_model="tiny", latent=64, rank=4)
    assert (config.layers, config.hidden, config.d_in, config.d_out) == (4, 32, 64, 32)
    assert config.block_hidden == config.head_hidden == 256
    assert config.scaling == 16.0


def test_every_fault_has_its_sentence():
    good = small_config(tiny_model()).to_json()
    with pytest.raises(CheckpointError) as caught:
        HypernetworkConfig.from_json({**good, "rank": 0, "latent": "wide", "scaling": "much"})
    said = str(caught.value)
    assert "rank is 0: give a whole number of at least 1." in said
    assert "latent is 'wide'" in said
    assert "scaling is 'much': give a number above 0." in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"heads": 5}, r"heads \(5\) must be a multiple of kv_heads \(2\)"),
        ({"rank": 33}, r"rank \(33\) must not be above"),
        ({"scaling": float("nan")}, "scaling is nan"),
        ({"bias": 1}, "bias is 1: give true or false"),
        ({"base_model": ""}, "base_model must name"),
        ({"affixes": [1]}, "affixes must hold"),
        ({"rnak": 8}, "rnak is unknown, did you mean rank?"),
    ],
)
def test_what_does_not_fit_together_is_refused(change, said):
    good = small_config(tiny_model()).to_json()
    with pytest.raises(CheckpointError, match=said):
        HypernetworkConfig.from_json({**good, **change})


def test_missing_dimensions_are_named():
    with pytest.raises(CheckpointError, match=r"layers is missing\. hidden is missing\."):
        HypernetworkConfig.from_json({"base_model": "x"})
