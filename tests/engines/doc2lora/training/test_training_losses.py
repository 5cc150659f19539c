"""The loss is what its equations say."""

from __future__ import annotations

import pytest
import torch

from engines.doc2lora.hypernetwork import GeneratedLora
from engines.doc2lora.training.descent import learning_rate
from engines.doc2lora.training.losses import lora_size, token_losses, token_weights
from engines.doc2lora.training.settings import OptimiserSettings


def test_distillation_weighs_log_probabilities_by_the_teachers_without_renormalising():
    source = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 50, generator=source)
    teacher = torch.randn(5, 50, generator=source).log_softmax(-1)
    top, ids = teacher.topk(4, dim=-1)
    answer = torch.tensor([3, 4, 5, 6, 7])
    found = token_losses(logits, answer, ids, top.half())
    log_q = logits.log_softmax(-1)
    expected = [
        -sum(float(top[n, k].exp() * log_q[n, ids[n, k]]) for k in range(4)) for n in range(5)
    ]
    torch.testing.assert_close(found.distil, torch.tensor(expected), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.gold, -log_q[torch.arange(5), answer])


def test_without_a_teacher_there_is_nothing_to_distil():
    nothing = torch.empty(2, 0)
    found = token_losses(torch.randn(2, 9), torch.tensor([1, 2]), nothing.long(), nothing)
    assert found.distil.tolist() == [0, 0]


def test_size_is_the_mean_of_a_plus_that_of_b_and_adds_up_over_chunks():
    a, b = torch.full((3, 2, 4, 6), -0.5), torch.full((3, 2, 4, 5), 0.25)
    a[2] = 1.0
    assert lora_size(GeneratedLora(a, b), [2, 1]).tolist() == [1.5, 1.25]


def test_weights_by_token_and_by_context():
    lengths = [[2, 4], [1]]
    assert token_weights(lengths, "token").tolist() == [1.0] * 7
    by_context = token_weights(lengths, "context")
    assert by_context.tolist() == [0.25] * 2 + [0.125] * 4 + [1.0]
    assert by_context.sum() == 2  # documents


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine():
    settings = OptimiserSettings(learning_rate=1.0, warmup_steps=10, final_share=0.1)
    rates = [learning_rate(step, 110, settings) for step in range(110)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert rates[60] == pytest.approx(0.55, abs=0.01)
    assert rates[-1] == pytest.approx(0.1, abs=0.001)
    assert sorted(rates[10:], reverse=True) == rates[10:]
