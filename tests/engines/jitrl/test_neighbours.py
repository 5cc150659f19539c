"""Near states lift what followed them; far ones, and a strength of 0, change nothing."""

from __future__ import annotations

import math

import pytest
import torch

from engines.jitrl.neighbours import (
    Gate,
    advantage,
    calibrated,
    interpolated,
    nearest,
    similarity_weights,
    spread,
    state_value,
)

WEIGHTS = torch.tensor([[0.5, 0.3, 0.2]])
RETURNS = torch.tensor([[1.0, 2.0, -1.0]])
TOKENS = torch.tensor([[4, 1, 4]])
OPEN, SHUT = torch.ones(1), torch.zeros(1)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", [torch.float32, torch.float16])
@pytest.mark.parametrize("queries", [1, 64, 150])
def test_the_nearest_are_those_of_a_full_comparison(kind, queries):
    asked, stored = random(queries, 16), random(300, 16, seed=1).to(kind)
    distances, rows = nearest(asked, stored, 5)
    full = torch.cdist(asked.double(), stored.double()).square()
    expected, order = full.sort(dim=1)
    torch.testing.assert_close(distances.double(), expected[:, :5], rtol=1e-4, atol=1e-4)
    assert torch.equal(rows, order[:, :5])


def test_a_stored_state_asked_for_is_at_no_distance_at_all():
    stored = random(50, 16).half() * 100
    distances, rows = nearest(stored[7:9], stored, 3)
    assert distances[:, 0].tolist() == [0.0, 0.0]
    assert rows[:, 0].tolist() == [7, 8]


def test_fewer_states_than_neighbours_are_all_taken():
    distances, rows = nearest(random(2, 4), random(3, 4, seed=1), 16)
    assert distances.shape == rows.shape == (2, 3)
    distances, rows = nearest(random(0, 4), random(3, 4), 2)
    assert distances.shape == rows.shape == (0, 2)


def test_an_empty_store_moves_nothing():
    logits = random(2, 9)
    distances, rows = nearest(random(2, 4), torch.zeros(0, 4), 16)
    weights = similarity_weights(distances, temperature=1.0, scale=1.0)
    gate = Gate(0.0, 1.0).openness(distances)
    moved = advantage(logits, weights, weights, rows, strength=8.0, openness=gate)
    assert torch.equal(moved, logits)
    assert torch.equal(interpolated(logits, weights, rows, share=0.5, openness=gate), logits)


def test_weights_sum_to_one_and_favour_the_near():
    distances = torch.tensor([[0.0, 1.0, 4.0], [9e5, 1e6, 2e6]])
    weights = similarity_weights(distances, temperature=0.5, scale=2.0)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
    assert bool((weights.diff(dim=1) <= 0).all())
    assert weights[0, 1] / weights[0, 0] == pytest.approx(math.exp(-1.0))


def test_a_temperature_means_the_same_for_states_ten_times_as_long():
    asked, stored = random(3, 8), random(40, 8, seed=1)
    pairs = ((asked, stored), (10 * asked, 10 * stored))
    one, other = (
        similarity_weights(nearest(q, s, 4)[0], temperature=0.2, scale=spread(s)) for q, s in pairs
    )
    torch.testing.assert_close(one, other)


def by_definition(weights, returns, tokens, vocabulary):
    """The sum of w·return over the neighbours with each token, one by one."""
    values = torch.zeros(len(weights), vocabulary)
    for row in range(len(weights)):
        for weight, worth, token in zip(weights[row], returns[row], tokens[row], strict=True):
            values[row, token] += weight * worth
    return values


@pytest.mark.parametrize(("temperature", "scale"), [(0, 1), (1, 0), (-1, -1), (1, math.nan)])
def test_a_temperature_that_can_not_be_is_refused(temperature, scale):
    with pytest.raises(ValueError, match="above 0"):
        similarity_weights(torch.zeros(1, 2), temperature=temperature, scale=scale)


def test_values_by_hand():
    values = by_definition(WEIGHTS, RETURNS, TOKENS, 6)
    # token 4: 0.5·1 + 0.2·(−1); token 1: 0.3·2
    torch.testing.assert_close(values, torch.tensor([[0.0, 0.6, 0.0, 0.0, 0.3, 0.0]]))
    logits = torch.tensor([[0.0, 5.0, 9.0, 7.0, 0.0, 0.0]])
    # candidates: 4 and 1 of the neighbours, 2, 3 and again 1 of the model
    value = state_value(WEIGHTS, RETURNS, TOKENS, logits)
    assert value.item() == pytest.approx(0.9 / 4)
    moved = advantage(logits, WEIGHTS, RETURNS, TOKENS, strength=10.0, openness=OPEN / 2)
    torch.testing.assert_close(moved, logits + 5 * (values - value))


def test_the_value_of_the_state_changes_no_probability():
    logits = random(1, 6)
    moved = advantage(logits, WEIGHTS, RETURNS, TOKENS, strength=3.0, openness=OPEN)
    plain = logits + 3.0 * by_definition(WEIGHTS, RETURNS, TOKENS, 6)
    torch.testing.assert_close(moved.softmax(dim=1), plain.softmax(dim=1))


def test_a_reward_lifts_and_a_punishment_lowers_the_token():
    logits = random(1, 6)
    good, flat, bad = (
        advantage(
            logits, WEIGHTS, torch.full((1, 3), each), TOKENS, strength=3.0, openness=OPEN
        ).softmax(dim=1)[0, 4]
        for each in (2.0, 1.0, -1.0)
    )
    assert good > flat > logits.softmax(dim=1)[0, 4] > bad


@pytest.mark.parametrize(("strength", "openness"), [(0.0, OPEN), (8.0, SHUT)])
def test_no_strength_or_a_shut_gate_gives_the_very_same_logits(strength, openness):
    logits = random(1, 50) * 20
    moved = advantage(logits, WEIGHTS, RETURNS, TOKENS, strength=strength, openness=openness)
    assert torch.equal(moved, logits)
    mixed = interpolated(logits, WEIGHTS, TOKENS, share=strength / 8, openness=openness)
    assert torch.equal(mixed, logits)


def test_the_logits_given_are_left_alone():
    logits = random(1, 6)
    before = logits.clone()
    advantage(logits, WEIGHTS, RETURNS, TOKENS, strength=3.0, openness=OPEN)
    interpolated(logits, WEIGHTS, TOKENS, share=0.5, openness=OPEN)
    assert torch.equal(logits, before)


def test_interpolation_is_the_mixture_of_the_two_distributions():
    logits = random(2, 6) * 4
    weights, tokens = WEIGHTS.expand(2, 3), TOKENS.expand(2, 3)
    openness = torch.tensor([1.0, 0.5])
    neighbours = by_definition(weights, torch.ones(2, 3), tokens, 6)
    share = 0.4 * openness.unsqueeze(1)
    expected = (1 - share) * logits.softmax(dim=1) + share * neighbours
    mixed = interpolated(logits, weights, tokens, share=0.4, openness=openness)
    torch.testing.assert_close(mixed.softmax(dim=1), expected)


def test_punished_neighbours_leave_the_rest_to_the_model():
    logits = random(1, 6)
    mixed = interpolated(
        logits, WEIGHTS * torch.tensor([[0.0, 1.0, 0.0]]), TOKENS, share=0.5, openness=OPEN
    ).softmax(dim=1)
    expected = 0.85 * logits.softmax(dim=1)
    expected[0, 1] += 0.15
    torch.testing.assert_close(mixed, expected)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_interpolation_survives_a_model_that_is_certain_of_another_token(share):
    logits = torch.tensor([[200.0, -200.0, 0.0, 0.0, -200.0, 0.0]])
    mixed = interpolated(logits, WEIGHTS, TOKENS, share=share, openness=OPEN).softmax(dim=1)
    torch.testing.assert_close(mixed[0, [1, 4]], share * torch.tensor([0.3, 0.7]))


def test_the_gate_falls_from_near_to_far():
    gate = Gate(near=1.0, far=3.0)
    distances = torch.tensor([[0.0, 9.0], [1.0, 1.0], [2.0, 7.0], [3.0, 4.0], [9.0, 9.0]])
    assert gate.openness(distances).tolist() == [1.0, 1.0, 0.5, 0.0, 0.0]


@pytest.mark.parametrize(("near", "far"), [(2, 1), (1, 1), (-1, 1), (0, math.inf), (math.nan, 1)])
def test_a_gate_that_can_not_be_is_refused(near, far):
    with pytest.raises(ValueError, match="near < far"):
        Gate(near, far)


def test_a_calibrated_gate_is_open_for_what_was_stored_and_shut_for_the_rest():
    stored = random(400, 32)
    gate = calibrated(nearest(random(400, 32, seed=2), stored, 1)[0][:, 0], 0.05)
    again = nearest(stored + 0.1 * random(400, 32, seed=1), stored, 4)[0]
    assert gate.openness(again).min() == 1.0
    assert gate.openness(nearest(stored, stored, 4)[0]).min() == 1.0
    fresh = gate.openness(nearest(random(400, 32, seed=3), stored, 4)[0])
    assert fresh.mean() < 0.02
    assert (fresh == 0).float().mean() > 0.9


@pytest.mark.parametrize("quantile", [0.0, 0.1, 0.5, 0.9])
def test_the_quantile_is_the_share_of_general_states_that_are_moved_at_all(quantile):
    distances = torch.arange(1.0, 1001.0)
    openness = calibrated(distances, quantile).openness(distances.unsqueeze(1))
    assert (openness > 0).float().mean() == pytest.approx(quantile, abs=0.002)


def test_unrelated_states_are_all_but_unmoved():
    stored = random(400, 32)
    gate = calibrated(nearest(random(400, 32, seed=2), stored, 1)[0][:, 0], 0.05)
    distances, rows = nearest(random(100, 32, seed=3), stored, 8)
    logits = random(100, 50, seed=4)
    weights = similarity_weights(distances, temperature=0.1, scale=spread(stored))
    moved = advantage(
        logits, weights, torch.ones(100, 8), rows % 50,
        strength=8.0, openness=gate.openness(distances),
    )  # fmt: skip
    unmoved = (moved == logits).all(dim=1).float().mean()
    assert unmoved > 0.85
    change = torch.nn.functional.kl_div(
        moved.log_softmax(dim=1), logits.log_softmax(dim=1), log_target=True, reduction="batchmean"
    )
    assert change < 0.02


def test_calibration_without_anything_to_go_by_is_refused():
    with pytest.raises(ValueError, match="without distances"):
        calibrated(torch.zeros(0), 0.1)
    with pytest.raises(ValueError, match="near < far"):
        calibrated(torch.zeros(5), 0.1)


def test_general_text_that_is_stored_itself_still_gives_a_gate():
    gate = calibrated(torch.tensor([0.0] * 50 + [2.0, 3.0]), 0.1)
    assert gate == Gate(1.0, 2.0)
