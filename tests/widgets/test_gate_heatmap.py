from __future__ import annotations

from driving import drive, screen_text
from textual.pilot import Pilot

from widgets.gate_heatmap import SHADES, GateBins, GateHeatmap, shade, spread


def bins(layers: int = 3, count: int = 8) -> GateBins:
    rows = tuple(tuple((b + 1) / count for b in range(count)) for _ in range(layers))
    shares = tuple(sum(row) / count for row in rows)
    return GateBins(tuple(range(20, 20 + layers)), 64, rows, shares)


def test_merged_bins_keep_their_mean() -> None:
    row = tuple(float(n) for n in range(64))
    for width in (1, 7, 33, 63):
        merged = spread(row, width)
        assert len(merged) == width
    assert spread(row, 1) == [sum(row) / 64]


def test_wide_bins_are_all_equally_wide() -> None:
    assert spread((0.0, 1.0), 5) == [0.0, 0.0, 1.0, 1.0]
    assert spread((), 5) == []
    assert spread((1.0,), 0) == []


def test_only_a_shut_bin_is_blank() -> None:
    assert shade(0.0, 1.0) == " "
    assert shade(0.001, 1.0) == SHADES[1]
    assert shade(1.0, 1.0) == SHADES[4]
    assert shade(0.5, 0.0) == " "


def test_each_layer_has_a_line_with_its_share_and_the_last_is_on_top() -> None:
    heatmap = GateHeatmap()
    seen: list[str] = []

    async def body(pilot: Pilot[None]) -> None:
        heatmap.gate = bins()
        await pilot.pause()
        seen.extend(screen_text(pilot.app).splitlines())

    drive(heatmap, body, (60, 10))
    assert [line.split()[0] for line in seen[:3]] == ["22", "21", "20"]
    assert all("56%" in line for line in seen[:3])


def test_a_gate_may_grow_while_it_is_shown() -> None:
    heatmap = GateHeatmap()

    async def body(pilot: Pilot[None]) -> None:
        for layers in (0, 2, 40, 1):
            heatmap.gate = bins(layers) if layers else None
            await pilot.pause()
        assert "20" in screen_text(pilot.app)

    drive(heatmap, body, (30, 6))
