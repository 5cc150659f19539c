from __future__ import annotations

from math import inf, nan

import pytest

from widgets import figures


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00"), (14.2, "0:14"), (723, "12:03"), (3723, "1:02:03"), (None, "–"), (inf, "–")],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert figures.duration(seconds) == shown


def test_numbers_that_are_not_measured_are_a_dash_and_never_nan() -> None:
    assert figures.number(nan) == figures.number(None) == figures.number(inf) == "–"
    assert figures.percent(nan) == "–"
    assert figures.rate(None) == "– tok/s"


def test_a_change_is_marked_against_its_own_budget_and_not_at_all_without_one() -> None:
    small = figures.relative_change(3.02, 3.00)
    large = figures.relative_change(3.06, 3.00)
    assert (figures.signed_percent(small), figures.verdict(small, 0.01)) == ("+0.7%", "✓")
    assert (figures.signed_percent(large), figures.verdict(large, 0.01)) == ("+2.0%", "!")
    assert figures.verdict(large, 0.05) == "✓"
    assert figures.verdict(large, None) == ""
    assert not figures.is_risky(large, None)
    assert figures.verdict(figures.relative_change(3.0, None), 0.01) == ""
    assert figures.relative_change(3.0, 0.0) is None


def test_rates_and_counts_are_readable() -> None:
    assert figures.rate(212.4) == "212 tok/s"
    assert figures.rate(6.04) == "6.0 tok/s"
    assert figures.count(1536) == "1,536"
    assert figures.exact_percent(0.15) == "15%"
    assert figures.exact_percent(0.005) == "0.5%"
    assert figures.kept(11 / 12, 12) == "11 of 12 kept"
    assert figures.kept(nan, 12) == "–"


@pytest.mark.parametrize(
    ("size", "shown"),
    [(None, "–"), (812, "1 kB"), (812_400, "812 kB"), (999_700, "1.0 MB"), (10_612_345, "10.6 MB")],
)
def test_sizes(size: int | None, shown: str) -> None:
    assert figures.size(size) == shown
