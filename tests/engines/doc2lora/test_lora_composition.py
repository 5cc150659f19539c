"""Chunks, documents and the bias add up along the rank, each as strong as its dial says."""

from __future__ import annotations

import math

import pytest
import torch

from engines.doc2lora.hypernetwork import GeneratedLora
from engines.doc2lora.lora import (
    Lora,
    Weighted,
    bias_lora,
    chunks_lora,
    compose,
    compose_rows,
    concatenated,
    effective_rank,
    layer_norms,
)
from engines.protocol import EngineError

LAYERS, RANK, D_IN, D_OUT, SCALING = 3, 2, 6, 5, 5.65


def _generated(chunks=3, seed=0, bias=True):
    source = torch.Generator().manual_seed(seed)

    def some(*shape):
        return torch.randn(*shape, generator=source, dtype=torch.float64)

    own = some(chunks, LAYERS, RANK, D_IN), some(chunks, LAYERS, RANK, D_OUT)
    source.manual_seed(99)  # the bias is the network's, the same for every document
    rest = (some(LAYERS, RANK, D_IN), some(LAYERS, RANK, D_OUT)) if bias else (None, None)
    return GeneratedLora(*own, *rest)


def _delta(a, b):
    return SCALING * b.T @ a


def _sum_of_chunks(made, layer):
    return sum(_delta(made.a[n, layer], made.b[n, layer]) for n in range(len(made)))


def _bias(made, layer):
    return _delta(made.bias_a[layer], made.bias_b[layer])


def test_chunks_and_bias_are_one_lora_that_adds_up_all_of_them():
    made = _generated(chunks=3)
    whole = compose([Weighted(made)], SCALING)
    assert whole.rank == RANK * (3 + 1)
    for layer in range(LAYERS):
        wanted = _sum_of_chunks(made, layer) + _bias(made, layer)
        torch.testing.assert_close(whole.delta(layer), wanted)


def test_a_chunk_counts_by_its_own_rank_not_by_the_whole():
    made = _generated(chunks=1)
    alone = chunks_lora(made, SCALING)
    longer = GeneratedLora(made.a.repeat(4, 1, 1, 1), made.b.repeat(4, 1, 1, 1))
    torch.testing.assert_close(chunks_lora(longer, SCALING).delta(1), 4 * alone.delta(1))


def test_documents_are_more_chunks_beside_one_bias():
    one, two = _generated(2, seed=1), _generated(3, seed=2)
    whole = compose([Weighted(one, 0.5), Weighted(two, 2.0)], SCALING)
    assert whole.rank == RANK * (2 + 3 + 1)
    wanted = 0.5 * _sum_of_chunks(one, 0) + 2 * _sum_of_chunks(two, 0) + _bias(one, 0)
    torch.testing.assert_close(whole.delta(0), wanted)


def test_a_muted_document_leaves_no_trace():
    one, two = _generated(2, seed=1), _generated(3, seed=2)
    left = compose([Weighted(one), Weighted(two, 0)], SCALING)
    alone = compose([Weighted(one)], SCALING)
    assert torch.equal(left.a, alone.a)
    assert torch.equal(left.b, alone.b)
    assert compose([Weighted(one, 0), Weighted(two, 0)], SCALING) is None
    assert compose([], SCALING) is None


def test_both_dials_are_linear():
    made = _generated(2)
    whole = compose([Weighted(made)], SCALING, context_strength=0.3, bias_strength=0.2)
    wanted = 0.3 * _sum_of_chunks(made, 2) + 0.2 * _bias(made, 2)
    torch.testing.assert_close(whole.delta(2), wanted)


def test_the_dials_at_zero_leave_their_part_out():
    made = _generated(2)
    bias_only = compose([Weighted(made)], SCALING, context_strength=0)
    assert bias_only.rank == RANK
    torch.testing.assert_close(bias_only.delta(0), _bias(made, 0))
    assert compose([Weighted(made)], SCALING, bias_strength=0).rank == 2 * RANK
    assert compose([Weighted(made)], SCALING, context_strength=0, bias_strength=0) is None


def test_the_bias_fades_with_the_last_document():
    made = _generated(1)
    faint = compose([Weighted(made, 0.25)], SCALING)
    torch.testing.assert_close(faint.delta(0), 0.25 * (_sum_of_chunks(made, 0) + _bias(made, 0)))
    louder = compose([Weighted(made, 3.0)], SCALING, context_strength=0)
    torch.testing.assert_close(louder.delta(0), _bias(made, 0))


def test_a_network_without_bias_composes_too():
    made = _generated(2, bias=False)
    assert bias_lora(made, SCALING) is None
    assert compose([Weighted(made)], SCALING).rank == 2 * RANK


def test_loras_of_different_scaling_are_put_together():
    one = chunks_lora(_generated(1, seed=1), 2.0)
    two = chunks_lora(_generated(1, seed=2), 7.0)
    torch.testing.assert_close(concatenated([one, two]).delta(1), one.delta(1) + two.delta(1))
    with pytest.raises(EngineError, match="learn a document first"):
        concatenated([])


def test_each_row_of_a_batch_gets_its_own_chunks():
    made = _generated(chunks=4)
    rows = compose_rows(made, [1, 3], SCALING)
    assert rows.rows == 2
    assert rows.rank == RANK * (3 + 1)
    for row, part in enumerate((slice(0, 1), slice(1, 4))):
        own = GeneratedLora(made.a[part], made.b[part], made.bias_a, made.bias_b)
        whole = compose([Weighted(own)], SCALING)
        for layer in range(LAYERS):
            torch.testing.assert_close(rows.delta(layer)[row], whole.delta(layer))


@pytest.mark.parametrize("counts", [[2], [0, 4], []])
def test_chunks_that_do_not_add_up_are_refused(counts):
    with pytest.raises(EngineError, match="can't be dealt out"):
        compose_rows(_generated(chunks=4), counts, SCALING)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_dial_must_be_a_number(value):
    with pytest.raises(EngineError, match="give a number"):
        Weighted(_generated(), value)
    with pytest.raises(EngineError, match="The bias strength is"):
        compose([Weighted(_generated())], SCALING, bias_strength=value)


def test_norms_are_those_of_the_added_weights():
    whole = compose([Weighted(_generated(3))], SCALING)
    wanted = torch.stack([whole.delta(layer).norm() for layer in range(LAYERS)])
    torch.testing.assert_close(layer_norms(whole), wanted.float())


def test_the_effective_rank_counts_directions():
    eye = torch.eye(4, 8).expand(2, 4, 8).clone()
    even = Lora(eye, eye[..., :6].clone(), 3.0)
    torch.testing.assert_close(effective_rank(even), torch.tensor([4.0, 4.0]))
    single = Lora(even.a[:, :1].expand(2, 4, 8), even.b[:, :1].expand(2, 4, 6), 3.0)
    torch.testing.assert_close(effective_rank(single), torch.tensor([1.0, 1.0]))
    nothing = Lora(eye, torch.zeros(2, 4, 6), 3.0)
    torch.testing.assert_close(effective_rank(nothing), torch.zeros(2))


def test_the_effective_rank_is_that_of_the_singular_values():
    whole = compose([Weighted(_generated(4))], SCALING)
    values = torch.linalg.svdvals(whole.delta(1))
    share = values / values.sum()
    wanted = (-(share * share.log()).sum()).exp().float()
    torch.testing.assert_close(effective_rank(whole)[1], wanted)
