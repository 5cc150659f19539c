from __future__ import annotations

from math import inf, nan

from driving import drive, screen_text
from textual.pilot import Pilot

from widgets.trend import MAX_POINTS, Trend, bounded


def shown(trend: Trend, size: tuple[int, int]) -> str:
    texts: list[str] = []

    async def body(pilot: Pilot[None]) -> None:
        texts.append(screen_text(pilot.app))

    drive(trend, body, size)
    return texts[0]


def test_the_history_is_finite_and_bounded_and_keeps_its_ends() -> None:
    points = [(n / 1000, float(n)) for n in range(1000)]
    kept = bounded([(0.0, nan), *points, (1.0, inf)])
    assert len(kept) <= MAX_POINTS
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]


def test_half_of_the_work_draws_half_of_the_width() -> None:
    trend = Trend("loss")
    trend.points = ((0.25, 2.0), (0.5, 2.0))
    trend.high = 2.0
    line = shown(trend, (80, 1)).splitlines()[0]
    blocks, room = line.count("█"), 80 - 9 - 6 - 20 - 4
    assert abs(blocks - room / 2) <= 1


def test_a_falling_value_falls_on_screen() -> None:
    trend = Trend("loss")
    trend.points = tuple((n / 8, 8.0 - n) for n in range(1, 9))
    trend.high = 8.0
    line = shown(trend, (80, 1)).splitlines()[0]
    heights = ["▁▂▃▄▅▆▇█".index(c) for c in line if c in "▁▂▃▄▅▆▇█"]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] > heights[-1]


def test_number_and_tail_stand_beside_the_curve() -> None:
    trend = Trend("held-out")
    trend.points, trend.now, trend.tail = ((1.0, 3.0),), "3.00", "+0.1% ✓"
    text = shown(trend, (80, 1))
    assert "held-out" in text
    assert "3.00" in text
    assert "+0.1% ✓" in text


def test_a_long_tail_is_broken_beside_a_tall_curve_and_whole_beside_a_line() -> None:
    trend = Trend("answers")
    trend.points, trend.tail = ((1.0, 0.9),), "11 of 12 kept ✓  budget 15% lost"
    trend.styles.height, trend.tail_width = 2, 32
    first, second = shown(trend, (60, 2)).splitlines()
    assert first.rstrip().endswith("11 of 12 kept ✓")
    assert second.rstrip().endswith("budget 15% lost")
    line = Trend("answers")
    line.points, line.tail, line.tail_width = trend.points, trend.tail, 32
    assert "11 of 12 kept ✓  budget 15% lost" in shown(line, (70, 1))


def test_without_points_or_room_nothing_breaks() -> None:
    trend = Trend("loss")
    trend.now = "–"
    assert "loss" in shown(trend, (80, 1))
    narrow = Trend("loss")
    narrow.points = ((1.0, 1.0),)
    assert "loss" in shown(narrow, (12, 1))


def test_a_curve_of_several_lines_uses_them_all() -> None:
    trend = Trend("loss")
    trend.styles.height = 4
    trend.points = ((0.5, 4.0), (1.0, 1.0))
    trend.high = 4.0
    rows = shown(trend, (60, 4)).splitlines()
    widths = [sum(row.count(block) for block in "▁▂▃▄▅▆▇█") for row in rows]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
