"""LoRAs by hooks and by PEFT do the same, and leave the base as it was, to the bit."""

from __future__ import annotations

import pytest
import torch

from engines.doc2lora.adapters import PeftAdapters
from engines.doc2lora.applied import AlreadyAdaptedError, applied
from engines.doc2lora.hypernetwork import GeneratedLora
from engines.doc2lora.lora import Lora, Weighted, bias_lora, chunks_lora, compose, compose_rows
from engines.protocol import EngineError, ModelError
from engines.ttt.dual_mlp import DualMLP, injected
from tests.engines.tiny import FAMILIES, tiny_model

LAYERS, RANK, D_IN, D_OUT, SCALING = 4, 2, 64, 32, 5.65
IDS = torch.tensor([[5, 17, 3, 250, 99, 41], [7, 8, 9, 10, 11, 12]])


def _generated(chunks=2, seed=0):
    source = torch.Generator().manual_seed(seed)

    def some(*shape):
        return 0.1 * torch.randn(*shape, generator=source)

    return GeneratedLora(
        some(chunks, LAYERS, RANK, D_IN),
        some(chunks, LAYERS, RANK, D_OUT),
        some(LAYERS, RANK, D_IN),
        some(LAYERS, RANK, D_OUT),
    )


def _lora(seed=0, chunks=2):
    return compose([Weighted(_generated(chunks, seed))], SCALING)


def _downs(model):
    return [layer.mlp.down_proj for layer in model.model.layers]


@torch.no_grad()
def _logits(model, ids=IDS):
    return model(input_ids=ids, use_cache=False).logits


@pytest.mark.parametrize("family", FAMILIES)
def test_hooks_peft_and_changed_weights_agree(family):
    model, lora = tiny_model(family), _lora()
    base = _logits(model)
    with applied(model, lora):
        hooked = _logits(model)
    adapters = PeftAdapters(model)
    adapters.inject(lora, "doc-1")
    with adapters.active():
        wrapped = _logits(model)
    torch.testing.assert_close(hooked, wrapped, atol=1e-5, rtol=0)
    assert torch.equal(_logits(model), base)
    with torch.no_grad():
        for number, down in enumerate(_downs(model)):
            down.weight += lora.delta(number)
    torch.testing.assert_close(hooked, _logits(model), atol=1e-4, rtol=1e-4)
    assert (hooked - base).abs().max() > 0.05


def test_several_documents_agree_and_each_can_be_taken_back():
    model = tiny_model()
    one, two = _generated(2, 1), _generated(3, 2)
    two = GeneratedLora(two.a, two.b, one.bias_a, one.bias_b)
    base = _logits(model)
    adapters = PeftAdapters(model)
    adapters.inject(chunks_lora(one, SCALING), "doc-1")
    adapters.inject(chunks_lora(two, SCALING), "doc-2")
    adapters.inject(bias_lora(one, SCALING), "bias")
    assert adapters.names == ("doc-1", "doc-2", "bias")
    with adapters.active():
        wrapped = _logits(model)
    with applied(model, compose([Weighted(one), Weighted(two)], SCALING)):
        torch.testing.assert_close(_logits(model), wrapped, atol=1e-5, rtol=0)
    adapters.eject("doc-1")
    with adapters.active():
        wrapped = _logits(model)
    with applied(model, chunks_lora(two, SCALING), bias_lora(one, SCALING)):
        torch.testing.assert_close(_logits(model), wrapped, atol=1e-5, rtol=0)
    for name in ("doc-2", "bias"):
        adapters.eject(name)
    with adapters.active():
        assert torch.equal(_logits(model), base)
    assert torch.equal(_logits(model), base)


def test_an_adapter_can_be_weighed():
    model, made = tiny_model(), _generated()
    adapters = PeftAdapters(model)
    adapters.inject(chunks_lora(made, SCALING), "doc-1")
    adapters.weigh("doc-1", 0.5)
    with adapters.active():
        wrapped = _logits(model)
    with applied(model, chunks_lora(made, SCALING, strength=0.5)):
        torch.testing.assert_close(_logits(model), wrapped, atol=1e-5, rtol=0)


def test_the_very_same_modules_and_flags_come_back():
    model = tiny_model()
    model.requires_grad_(False)
    model.get_input_embeddings().weight.requires_grad_(True)
    before, attributes = _downs(model), set(vars(model))
    names = [name for name, _ in model.named_modules()]
    state = torch.random.get_rng_state()
    adapters = PeftAdapters(model)
    adapters.inject(_lora(1), "one")
    adapters.inject(_lora(2), "two")
    assert all(down is own for down, own in zip(_downs(model), before, strict=True))
    with adapters.active():
        assert not any(down is own for down, own in zip(_downs(model), before, strict=True))
    with applied(model, _lora()):
        pass
    assert all(down is own for down, own in zip(_downs(model), before, strict=True))
    assert not any(down._forward_hooks for down in before)
    assert [name for name, _ in model.named_modules()] == names
    assert set(vars(model)) == attributes
    assert [n for n, p in model.named_parameters() if p.requires_grad] == [
        "model.embed_tokens.weight"
    ]
    assert torch.equal(torch.random.get_rng_state(), state)


def test_an_error_inside_the_block_leaves_the_base():
    model, lora = tiny_model(), _lora()
    base, before = _logits(model), _downs(model)
    adapters = PeftAdapters(model)
    adapters.inject(lora, "one")
    for block in (applied(model, lora), adapters.active()):
        with pytest.raises(KeyboardInterrupt), block:
            raise KeyboardInterrupt
    assert all(down is own for down, own in zip(_downs(model), before, strict=True))
    assert torch.equal(_logits(model), base)


def test_nothing_applied_is_the_base_to_the_bit():
    model = tiny_model()
    base = _logits(model)
    with applied(model):
        assert torch.equal(_logits(model), base)
    with PeftAdapters(model).active():
        assert torch.equal(_logits(model), base)


def test_each_row_of_a_batch_uses_its_own_lora():
    model, made = tiny_model("qwen3"), _generated(3)
    rows = compose_rows(made, [1, 2], SCALING)
    with applied(model, rows):
        together = _logits(model)
    for row, part in enumerate((slice(0, 1), slice(1, 3))):
        own = GeneratedLora(made.a[part], made.b[part], made.bias_a, made.bias_b)
        with applied(model, compose([Weighted(own)], SCALING)):
            alone = _logits(model, IDS[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-4, rtol=1e-4)
    with (
        pytest.raises(EngineError, match="1 rows can't use 2 LoRAs"),
        applied(model, rows),
    ):
        _logits(model, IDS[:1])


def test_gradients_reach_the_lora_and_not_the_base():
    model = tiny_model()
    model.requires_grad_(False)
    made = _generated(2)
    a, b = made.a.requires_grad_(), made.b.requires_grad_()
    with applied(model, compose_rows(GeneratedLora(a, b), [1, 1], SCALING)):
        model(input_ids=IDS, labels=IDS).loss.backward()
    assert a.grad.flatten(1).any(1).all()
    assert b.grad.flatten(1).any(1).all()
    assert all(p.grad is None for p in model.parameters())


def test_a_model_in_half_precision_keeps_its_type():
    model = tiny_model().bfloat16()
    adapters = PeftAdapters(model)
    adapters.inject(_lora(), "one")
    with applied(model, _lora()):
        hooked = _logits(model)
    with adapters.active():
        wrapped = _logits(model)
    assert hooked.dtype == torch.bfloat16
    torch.testing.assert_close(hooked, wrapped, atol=1e-5, rtol=0)


def test_a_patch_is_not_patched():
    model, lora = tiny_model(), _lora()
    adapters = PeftAdapters(model)
    adapters.inject(lora, "one")
    with (
        applied(model, lora),
        pytest.raises(AlreadyAdaptedError, match="already carries LoRAs"),
        adapters.active(),
    ):
        pass
    with adapters.active(), pytest.raises(AlreadyAdaptedError), applied(model, lora):
        pass
    with adapters.active(), pytest.raises(AlreadyAdaptedError):
        adapters.inject(lora, "two")
    assert adapters.names == ("one",)


def test_another_engine_s_block_is_not_patched():
    model = tiny_model()
    dual = {1: DualMLP(model.model.layers[1].mlp, [], 0.5)}
    with (
        injected(model.model.layers, dual),
        pytest.raises(ModelError),
        applied(model, _lora()),
    ):
        pass


def test_a_lora_of_another_model_is_refused():
    model = tiny_model(layers=2)
    with (
        pytest.raises(EngineError, match="4 layers of 64 to 32 doesn't fit this model's 2 layers"),
        applied(model, _lora()),
    ):
        pass
    with pytest.raises(EngineError, match="doesn't fit"):
        PeftAdapters(model).inject(_lora(), "one")


def test_names_of_adapters_are_checked():
    model, lora = tiny_model(), _lora()
    adapters = PeftAdapters(model)
    adapters.inject(lora, "one")
    with pytest.raises(EngineError, match="already: eject it first"):
        adapters.inject(lora, "one")
    with pytest.raises(EngineError, match="without dots"):
        adapters.inject(lora, "a.b")
    with pytest.raises(EngineError, match="there are one"):
        adapters.eject("two")
    with pytest.raises(EngineError, match="inject it first"):
        adapters.weigh("two", 1.0)
    with pytest.raises(EngineError, match="for each row"):
        adapters.inject(Lora(lora.a[None], lora.b[None], 1.0), "rows")


def test_peft_is_told_the_published_scaling():
    model, lora = tiny_model(), _lora(chunks=3)
    adapters = PeftAdapters(model)
    adapters.inject(lora, "one")
    with adapters.active():
        layer = _downs(model)[2]
        assert layer.r["one"] == lora.rank == RANK * 4
        assert layer.scaling["one"] == pytest.approx(SCALING)
        assert layer.lora_alpha["one"] == pytest.approx(SCALING * lora.rank)
        assert torch.equal(layer.lora_B["one"].weight, lora.b[2].T)
        assert torch.equal(layer.lora_A["one"].weight, lora.a[2])
