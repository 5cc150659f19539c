"""Answers scored on shared beginnings are the same as each row scored by itself."""

from __future__ import annotations

import pytest
import torch

from engines.doc2lora.applied import applied
from engines.doc2lora.lora import Lora
from engines.doc2lora.training.answering import Row, answer_logits, answer_tokens
from tests.engines.tiny import FAMILIES, tiny_model

GROUPS = [
    [Row([1, 7, 8, 20, 21], [30, 31, 2]), Row([1, 7, 8, 22], [32, 2])],
    [Row([1, 7, 8, 23, 24, 25, 26], [33, 2])],
]
ROWS = [row for group in GROUPS for row in group]
OWNERS = [0, 0, 1]


def _lora(model, rows, seed=0):
    source = torch.Generator().manual_seed(seed)
    of = model.config
    shape = (rows, of.num_hidden_layers, 2)
    a = 0.3 * torch.randn(*shape, of.intermediate_size, generator=source)
    b = 0.3 * torch.randn(*shape, of.hidden_size, generator=source)
    return Lora(a.requires_grad_(), b.requires_grad_(), 1.5)


def _alone(model, lora=None):
    found = []
    for row, owner in zip(ROWS, OWNERS, strict=True):
        ids = torch.tensor([[*row.prompt, *row.answer]])
        own = [] if lora is None else [Lora(lora.a[owner], lora.b[owner], lora.scaling)]
        with applied(model, *own):
            logits = model(input_ids=ids).logits[0]
        found.append(logits[len(row.prompt) - 1 : -1])
    return torch.cat(found)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_lora(family):
    model = tiny_model(family)
    with torch.no_grad():
        torch.testing.assert_close(answer_logits(model, GROUPS), _alone(model))


@pytest.mark.parametrize("family", FAMILIES)
def test_with_one_lora_for_each_document(family):
    model = tiny_model(family)
    lora = _lora(model, 2)
    torch.testing.assert_close(answer_logits(model, GROUPS, lora), _alone(model, lora))


def test_gradients_are_those_of_rows_alone():
    model = tiny_model().requires_grad_(False)
    lora = _lora(model, 2)
    weights = torch.randn(7, 400, generator=torch.Generator().manual_seed(1))
    shared = torch.autograd.grad(
        (answer_logits(model, GROUPS, lora) * weights).sum(), [lora.a, lora.b]
    )
    alone = torch.autograd.grad((_alone(model, lora) * weights).sum(), [lora.a, lora.b])
    for found, expected in zip(shared, alone, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_one_lora_for_all():
    model = tiny_model()
    lora = _lora(model, 1)
    one = Lora(lora.a[0], lora.b[0], lora.scaling)
    both = Lora(lora.a.repeat(2, 1, 1, 1), lora.b.repeat(2, 1, 1, 1), lora.scaling)
    torch.testing.assert_close(
        answer_logits(model, GROUPS, one), answer_logits(model, GROUPS, both)
    )


def test_prompts_that_share_nothing():
    model = tiny_model()
    rows = [Row([5, 6], [7]), Row([8], [9, 10])]
    with torch.no_grad():
        found = answer_logits(model, [rows])
        expected = [
            model(input_ids=torch.tensor([[5, 6]])).logits[0, 1:],
            model(input_ids=torch.tensor([[8, 9]])).logits[0],
        ]
    torch.testing.assert_close(found, torch.cat(expected))
    assert answer_tokens([rows]).tolist() == [7, 9, 10]


def test_the_model_is_as_it_was():
    model = tiny_model()
    before = model(input_ids=torch.tensor([[1, 2, 3]])).logits
    answer_logits(model, GROUPS, _lora(model, 2))
    assert torch.equal(model(input_ids=torch.tensor([[1, 2, 3]])).logits, before)
