"""The dual MLP: identity before learning, blend after, the same object back."""

from __future__ import annotations

import pytest
import torch

from engines import families
from engines.ttt.dual_mlp import AlreadyInjectedError, DualMLP, NeuronBranch, Neurons, injected
from tests.engines.learning import logits, tiny_host
from tests.engines.tiny import FAMILIES

OPEN = torch.tensor([1, 5, 6, 40])


def dual(mlp, index=OPEN, alpha=0.5, change=0.0):
    parts = families.gated_mlp_parts(mlp)
    delta = Neurons.zeros(mlp, index).map(lambda t: t + change)
    return DualMLP(mlp, [NeuronBranch(parts, delta, trainable=True)], alpha)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("alpha", [0.0, 0.37, 0.95, 1.0])
def test_injection_before_learning_changes_no_bit(family, alpha):
    host = tiny_host(family)
    layers = families.decoder_layers(host.model)
    before = logits(host)
    with injected(layers, {3: dual(layers[3].mlp, alpha=alpha)}):
        assert torch.equal(logits(host), before)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
@pytest.mark.parametrize("bias", [False, True])
def test_the_blend_is_that_of_a_full_trainable_copy(family, bias):
    settings = {"mlp_bias": True} if bias and family == "llama" else {}
    host = tiny_host(family, **settings)
    mlp = families.decoder_layers(host.model)[2].mlp
    full = dual(mlp, alpha=0.7, change=0.3)
    copied = tiny_host(family, **settings)
    trainable = families.decoder_layers(copied.model)[2].mlp
    with torch.no_grad():
        for name in ("gate_proj", "up_proj"):
            getattr(trainable, name).weight[OPEN] += 0.3
        trainable.down_proj.weight[:, OPEN] += 0.3
        x = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(1))
        expected = 0.7 * mlp(x) + 0.3 * trainable(x)
        torch.testing.assert_close(full(x), expected, rtol=1e-4, atol=1e-5)


def test_ejecting_puts_back_the_same_object_even_after_an_error():
    host = tiny_host()
    layers = families.decoder_layers(host.model)
    original = layers[3].mlp
    with pytest.raises(RuntimeError, match="inside"), injected(layers, {3: dual(original)}):
        assert layers[3].mlp is not original
        raise RuntimeError("inside")
    assert layers[3].mlp is original


def test_a_patched_layer_cannot_be_patched_again():
    host = tiny_host()
    layers = families.decoder_layers(host.model)
    one = dual(layers[3].mlp)
    with injected(layers, {3: one}):
        with pytest.raises(AlreadyInjectedError), injected(layers, {3: one}):
            pass
        with pytest.raises(AlreadyInjectedError):
            DualMLP(layers[3].mlp, [], 0.5)
        assert layers[3].mlp is one


def test_only_the_open_neurons_have_gradients_and_the_base_has_none():
    host = tiny_host()
    mlp = families.decoder_layers(host.model)[3].mlp
    one = dual(mlp)
    one(torch.randn(1, 4, 32)).square().sum().backward()
    shapes = [tuple(p.shape) for p in one.parameters() if p.grad is not None]
    assert shapes == []  # the branches are not modules of the layer: the learner owns them
    branch = one.branches[0]
    assert {tuple(p.grad.shape) for p in branch.parameters()} == {(len(OPEN), 32)}
    assert all(p.grad is None for p in mlp.parameters())


def test_bfloat16_keeps_the_identity_and_float32_masters():
    host = tiny_host()
    host.model.to(torch.bfloat16)
    layers = families.decoder_layers(host.model)
    one = dual(layers[3].mlp, alpha=0.6)
    before = logits(host)
    with injected(layers, {3: one}):
        assert torch.equal(logits(host), before)
    assert {p.dtype for p in one.branches[0].parameters()} == {torch.float32}


def test_a_small_change_is_not_lost_beside_a_large_bfloat16_weight():
    host = tiny_host()
    host.model.to(torch.bfloat16)
    mlp = families.decoder_layers(host.model)[3].mlp
    x = torch.randn(1, 4, 32, generator=torch.Generator().manual_seed(2)).bfloat16()
    before = mlp(x)
    weight = torch.tensor(0.2, dtype=torch.bfloat16)
    assert weight + 4e-4 == weight  # as large as most of this model's, and the change is gone
    after = dual(mlp, torch.arange(64), alpha=0.0, change=4e-4)(x)
    assert not torch.equal(after, before)
