"""The parts of each family are found where they are, and everything else is refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from engines import families
from engines.protocol import ModelError
from tests.engines.tiny import FAMILIES, tiny_model, tiny_tokenizer

IDS = torch.tensor([[5, 17, 101, 42, 250, 3, 77]])


def test_the_tiny_models_cover_every_supported_family() -> None:
    assert set(FAMILIES) == set(families.FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_last_hidden_states_give_the_models_own_logits(family: str) -> None:
    model = tiny_model(family)
    kept: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: object, output: object) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        assert isinstance(hidden, torch.Tensor)
        kept.append(hidden)

    handle = families.decoder_layers(model)[-1].register_forward_hook(keep)
    expected = model(IDS, use_cache=False).logits
    handle.remove()
    torch.testing.assert_close(
        families.logits_from_hidden(model, kept[0]), expected, rtol=0, atol=1e-6
    )
    assert expected.std() > 0.1  # a flat model would prove nothing


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_the_parts_compute_what_the_mlp_computes(family: str) -> None:
    for layer in families.decoder_layers(tiny_model(family)):
        parts = families.gated_mlp_parts(layer.mlp)
        x = torch.randn(2, 3, parts.hidden)
        again = parts.down(parts.act(parts.gate(x)) * parts.up(x))
        assert torch.equal(again, layer.mlp(x))
        assert (parts.hidden, parts.neurons) == (32, 64)
        assert parts.gate is layer.mlp.gate_proj


def test_biases_and_the_activation_are_the_models_own() -> None:
    model = tiny_model("llama", mlp_bias=True, hidden_act="relu")
    parts = families.gated_mlp_parts(families.decoder_layers(model)[0].mlp)
    assert parts.gate.bias is not None
    assert torch.equal(parts.act(torch.tensor([-1.0, 2.0])), torch.tensor([0.0, 2.0]))


@pytest.mark.parametrize("family", FAMILIES)
def test_supported_families_pass(family: str) -> None:
    families.check_supported(tiny_model(family))


@pytest.mark.parametrize(
    ("family", "found"),
    [
        ("gpt2", "no gate"),
        ("phi3", "fused"),
        ("mixtral", "mixture of experts"),
        ("gpt_neox", "not known"),
    ],
)
def test_other_families_are_refused_by_name(family: str, found: str) -> None:
    config = AutoConfig.for_model(
        family,
        vocab_size=100,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )
    with pytest.raises(ModelError) as refused:
        families.check_supported(AutoModelForCausalLM.from_config(config))
    sentence = str(refused.value)
    assert family in sentence
    assert found in sentence
    assert "supported are Llama" in sentence


def test_a_model_that_reads_images_is_refused_before_it_is_loaded() -> None:
    with pytest.raises(ModelError, match="reads images"):
        families.check_config(SimpleNamespace(model_type="gemma3"))


def test_a_quantised_or_patched_layer_is_refused() -> None:
    model = tiny_model()
    families.decoder_layers(model)[2].mlp.up_proj = nn.Identity()
    with pytest.raises(ModelError, match="up_proj"):
        families.check_supported(model)


@pytest.mark.parametrize("found", [None, nn.Linear(2, 2), SimpleNamespace(config=None)])
def test_something_that_is_no_model_is_refused(found: object) -> None:
    with pytest.raises(ModelError):
        families.check_supported(found)


def test_a_model_without_a_head_is_refused() -> None:
    model = tiny_model()
    del model.lm_head
    with pytest.raises(ModelError, match="language modelling head"):
        families.check_supported(model)


def test_tiny_models_are_repeatable_and_leave_the_random_state_alone() -> None:
    torch.manual_seed(7)
    expected = torch.randn(3)
    torch.manual_seed(7)
    first = tiny_model(seed=3)
    assert torch.equal(torch.randn(3), expected)
    with torch.no_grad():
        assert torch.equal(first(IDS).logits, tiny_model(seed=3)(IDS).logits)
        assert not torch.equal(first(IDS).logits, tiny_model(seed=4)(IDS).logits)


@pytest.mark.parametrize("text", ["Tobias kept the lamp.", "Grüße,  日本\n\n— 1871\t", ""])
def test_the_tiny_tokenizer_round_trips(text: str) -> None:
    tokenizer = tiny_tokenizer()
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_tiny_tokenizer_fits_the_tiny_model_and_chats() -> None:
    tokenizer = tiny_tokenizer()
    assert len(tokenizer) == 400
    turn = [{"role": "user", "content": "Who kept the lamp?"}]
    text = tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
    assert text == "<|im_start|>user\nWho kept the lamp?<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.eos_token_id == 2
    assert tiny_tokenizer(chat=False).chat_template is None
