"""The network computes the published equations, and every weight of it can learn."""

from __future__ import annotations

import pytest
import torch

from engines.doc2lora.config import HypernetworkConfig, published_scaling
from engines.doc2lora.hypernetwork import GeneratedLora, Hypernetwork, parameter_count
from engines.doc2lora.published import from_published
from engines.doc2lora.published_names import names, our_weights
from engines.protocol import CheckpointError, EngineError
from tests.engines.doc2lora import published_file, reference_network
from tests.engines.doc2lora.small_network import small_config, small_network
from tests.engines.tiny import tiny_model


@pytest.fixture
def published(tmp_path):
    from engines.doc2lora.published import read

    published_file.write(tmp_path / "pytorch_model.bin")
    config, weights = read(tmp_path / "pytorch_model.bin")
    network = Hypernetwork(config)
    network.load_state_dict(weights)
    return network


def _states(lengths=(7, 4), layers=3, hidden=16):
    source = torch.Generator().manual_seed(5)
    states = torch.randn(len(lengths), layers, max(lengths), hidden, generator=source)
    mask = torch.tensor([[1] * n + [0] * (max(lengths) - n) for n in lengths])
    return states, mask


def test_the_forward_pass_is_that_of_the_published_equations(published):
    states, mask = _states()
    with torch.no_grad():
        made = published(states, mask)
    a, b = reference_network.generate(published_file.tensors(), states, [7, 4])
    assert made.a.shape == (2, 3, 4, 24)
    assert made.b.shape == (2, 3, 4, 16)
    torch.testing.assert_close(made.a, a, atol=1e-5, rtol=0)
    torch.testing.assert_close(made.b, b, atol=1e-5, rtol=0)
    assert a.abs().mean() > 0.05
    assert torch.equal(made.bias_a, published_file.tensors()["bias_A.down_proj"])


def test_reading_a_few_layers_at_a_time_gives_the_same(published):
    states, mask = _states()
    with torch.no_grad():
        whole = published(states, mask)
        parts = published(states, mask, layers_at_once=2)
    torch.testing.assert_close(parts.a, whole.a, atol=1e-6, rtol=0)


def test_padding_changes_nothing(published):
    states, mask = _states()
    louder = states.clone()
    louder[1, :, 4:] = 100.0
    with torch.no_grad():
        torch.testing.assert_close(published(louder, mask).a, published(states, mask).a)


def test_chunks_do_not_see_each_other(published):
    states, mask = _states((6, 6))
    with torch.no_grad():
        both, alone = published(states, mask), published(states[1:], mask[1:])
    torch.testing.assert_close(both.a[1:], alone.a, atol=1e-6, rtol=1e-5)


def test_half_precision_states_are_read(published):
    states, mask = _states()
    made = published(states.bfloat16(), mask)
    assert made.a.dtype == torch.float32


def test_every_weight_gets_a_gradient():
    network = small_network(tiny_model())
    states, mask = _states((5, 3), layers=4, hidden=32)
    made = network(states, mask)
    (made.a.pow(2).sum() + made.b.pow(2).sum()).backward()
    made.bias_a.sum().backward()
    made.bias_b.sum().backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_a_new_network_writes_loras_of_no_effect():
    network = Hypernetwork(small_config(tiny_model()))
    states, mask = _states(layers=4, hidden=32)
    made = network(states, mask)
    assert not made.b.any()
    assert not made.bias_b.any()
    assert made.a.any()


def test_without_a_bias_none_is_given():
    network = small_network(tiny_model(), bias=False)
    made = network(*_states(layers=4, hidden=32))
    assert made.bias_a is None
    assert made.bias_b is None


def test_states_of_another_model_are_refused():
    network = small_network(tiny_model())
    with pytest.raises(EngineError, match=r"\(2, 3, 7, 16\) don't fit a hypernetwork for tiny"):
        network(*_states())


def test_generated_numbers_that_are_not_finite_are_refused():
    a, b = torch.zeros(3, 2, 2, 4), torch.zeros(3, 2, 2, 4)
    b[1, 0, 0, 0] = torch.nan
    with pytest.raises(EngineError, match="not finite for chunk 2 of 3"):
        GeneratedLora(a, b).checked()
    with pytest.raises(EngineError, match="in its bias LoRA"):
        GeneratedLora(a, a, torch.full((2, 2, 4), torch.inf), a[0]).checked()
    assert len(GeneratedLora(a, a).checked()) == 3


def test_the_published_dimensions_of_gemma_are_known():
    config = from_published(
        "google/gemma-2-2b-it",
        {
            "latent_size": 512, "per_rank_gen": True, "per_layer_processing": True,
            "lora_config": {"r": 8, "lora_alpha": 2 * 8**1.5, "target_modules": ["down_proj"]},
            "feature_sizes": [{"down_proj": 9216}, {"down_proj": 2304}], "use_bias": True,
            "num_pre_head_layers": 1,
            "aggregator_config": {
                "aggregator_type": "perceiver", "num_layers": 26, "feature_size": 2304,
                "n_latent_queries": 8, "num_blocks": 9, "num_self_attn_per_block": 0,
                "shared_weights": False, "layer_to_layer_ctx_encoder": True,
            },
        },
        {"ctx_encoder_type": "per_layer_activations", "ctx_encoder_model_name_or_path": None},
    )  # fmt: skip
    assert config.scaling == pytest.approx(45.2548, abs=1e-4)
    assert config.scaling == published_scaling(8)
    assert config.projection_hidden == 9216
    assert config.affixes.prefix == (2, 106, 1645, 110)
    heads = 26 * (512 * 11520 + 2 * 512 * 2048)
    assert heads < parameter_count(config) < 1.6 * heads


def test_each_published_name_belongs_to_one_weight_of_ours():
    config = small_config(tiny_model(), head_mlps=2)
    table = names(config)
    assert sorted(table.values()) == sorted(Hypernetwork(config).state_dict())


def test_weights_that_do_not_fit_are_listed():
    config = from_file_config()
    given = published_file.tensors()
    del given["head.weight"]
    given["head.extra"] = torch.zeros(2)
    given["scaler_A.down_proj"] = torch.ones(1, 3, 5, 1)
    with pytest.raises(CheckpointError) as caught:
        our_weights(given, config)
    said = str(caught.value)
    assert "lacks head.weight" in said
    assert "unknown head.extra" in said
    assert "scaler_A.down_proj (1×3×5×1 instead of 3×4×1)" in said


def from_file_config() -> HypernetworkConfig:
    return HypernetworkConfig(
        layers=3, hidden=16, d_in=24, d_out=16, base_model="x", projection_hidden=64, rank=4,
        latent=32, latents=5, blocks=2, block_hidden=128, head_hidden=128,
    )  # fmt: skip
