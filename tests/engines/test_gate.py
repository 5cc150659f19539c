"""The gate: TF-IDF ranks neurons as it ranks words."""

from __future__ import annotations

import math

import pytest
import torch

from engines.ttt.gate import (
    ActivationMeter,
    GateCache,
    GateStatistics,
    calibrate,
    open_neurons,
    scores,
    snapshot,
)
from tests.engines.learning import tiny_host

PASSAGES = ("The lamp was never out.", "A storm took the boat.", "Wind, much wind, and oranges.")


def test_a_neuron_that_is_active_here_and_rare_elsewhere_scores_highest():
    statistics = GateStatistics(torch.tensor([[9, 0, 9, 0]], dtype=torch.int32), passages=9)
    activation = torch.tensor([[5.0, 5.0, 1.0, 1.0]])
    assert scores(activation, statistics).argsort(descending=True)[0, 0] == 1
    assert scores(activation, statistics)[0, 0] == 0  # it is everywhere: log(10 / 10)


def test_inverse_document_frequency_is_the_formula():
    statistics = GateStatistics(torch.tensor([[0, 3]], dtype=torch.int32), passages=7)
    expected = [math.log(8 / 1), math.log(8 / 4)]
    assert statistics.inverse_document_frequency()[0].tolist() == pytest.approx(expected)


def test_counts_run_over_passages_without_keeping_activations():
    statistics = GateStatistics.empty(1, 10)
    for top in (0, 1, 0):
        activation = torch.zeros(1, 10)
        activation[0, top] = 2.0
        activation[0, 9] = 1.0
        statistics.add(activation)  # a fifth of 10: two neurons occur
    assert statistics.passages == 3
    assert statistics.occurrences[0, [0, 1, 9]].tolist() == [2, 1, 3]


@pytest.mark.parametrize(("threshold", "opened"), [(0.0, 8), (0.75, 2), (0.5, 4), (1.0, 1)])
def test_the_threshold_is_a_rank_within_the_layer(threshold, opened):
    score = torch.tensor([[0.1, 0.9, 0.3, 0.2, 0.8, 0.0, 0.4, 0.5]])
    (index,) = open_neurons(score, threshold)
    assert len(index) == opened
    best = score[0].argsort(descending=True)[:opened]
    assert set(index.tolist()) == set(best.tolist())


def test_the_activation_meter_reads_what_the_down_projection_is_given():
    host = tiny_host()
    meter = ActivationMeter(host, [2])
    seen = []
    down = host.model.model.layers[2].mlp.down_proj
    handle = down.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad(), meter.reading(new=3):
        host.model(input_ids=host.encode("The lamp was never out.").unsqueeze(0))
    handle.remove()
    expected = seen[0][0, -3:].abs().mean(dim=0) * down.weight.norm(dim=0)
    torch.testing.assert_close(meter.mean()[0], expected)


def test_calibration_is_cached_by_model_and_text(tmp_path):
    host, other = tiny_host(), tiny_host(seed=1)
    *_, statistics = calibrate(host, [2, 3], PASSAGES)
    assert statistics.passages == len(PASSAGES)
    cache = GateCache(tmp_path, host, [2, 3])
    cache.save(PASSAGES, statistics)
    again = cache.load(PASSAGES)
    assert again is not None
    assert torch.equal(again.occurrences, statistics.occurrences)
    assert cache.load(PASSAGES[:2]) is None
    assert GateCache(tmp_path, other, [2, 3]).load(PASSAGES) is None


def test_a_damaged_cache_is_counted_anew(tmp_path):
    host = tiny_host()
    cache = GateCache(tmp_path, host, [3])
    cache.path(PASSAGES).write_bytes(b"cut short")
    assert cache.load(PASSAGES) is None


def test_a_cache_that_cannot_be_written_fails_nothing(tmp_path):
    host = tiny_host()
    *_, statistics = calibrate(host, [3], PASSAGES)
    (tmp_path / "file").write_text("in the way")
    cache = GateCache(tmp_path / "file", host, [3])
    cache.save(PASSAGES, statistics)
    assert cache.load(PASSAGES) is None


def test_the_snapshot_says_what_is_open():
    shot = snapshot([6, 7], 8, [torch.tensor([0, 1]), torch.arange(8)], calibrated=True)
    assert shot.open_share == (0.25, 1.0)
    assert shot.bins[0] == (1, 1, 0, 0, 0, 0, 0, 0)
    assert shot.mean_open_share == 0.625
