"""What one watches while a document becomes a LoRA."""

from __future__ import annotations

from dataclasses import replace

import pytest
from driving import drive, screen_text, until
from textual.pilot import Pilot

from widgets.learn_frame import LearnFrame
from widgets.learn_panel import LearnPanel
from widgets.lora_frame import LoraFrame, time_bar, time_lines
from widgets.norm_heatmap import NormHeatmap, NormMap, legend

NORMS = NormMap(((2.0, 0.0), (1.0, 0.5)), 4, (2.25, 0.5))
LORA = LoraFrame(
    chunk=2, chunks=4, chunk_tokens=256, norms=NORMS, rank=16, effective_rank=11.25,
    read_seconds=3.0, generate_seconds=1.0, hypernetwork="[b]mine[/b]",
)  # fmt: skip
FRAME = LearnFrame(title="harbour.md", stage="generating", fraction=0.4, lora=LORA)


def shown(frame: LearnFrame, size: tuple[int, int]) -> str:
    panel, seen = LearnPanel(), []

    async def body(pilot: Pilot[None]) -> None:
        panel.frame = frame
        await pilot.pause()
        seen.append(screen_text(pilot.app))

    drive(panel, body, size)
    return seen[0]


@pytest.mark.parametrize("size", [(78, 19), (86, 31), (150, 46)])
def test_chunks_rank_time_and_norms_are_shown(size: tuple[int, int]) -> None:
    text = shown(FRAME, size)
    for part in (
        "chunk 2/4", "2 of 4 read", "by [b]mine[/b]", "rank      16", "effective 11.2",
        "read 3.00 s 75%", "generate 1.00 s 25%", "2 layers × 4 chunks", "0 ░▒▓█ 2",
        "1     ░░░░········     0.5", "0 ████▒▒▒▒········    2.25",
    ):  # fmt: skip
        assert part in text, part
    for part in ("SIMULATED", "α", "held-out", "nats per token"):
        assert part not in text, part


@pytest.mark.parametrize("size", [(78, 19), (150, 46)])
def test_what_chance_made_is_marked_and_a_rise_is_no_gain(size: tuple[int, int]) -> None:
    lora = replace(LORA, simulated=True, loss_before=2.0, loss=2.5)
    text = shown(replace(FRAME, lora=lora), size)
    assert "SIMULATED   the LoRA is random" in text
    assert "2.00 → 2.50 nats per token" in text


def test_answers_that_were_measured_are_counted() -> None:
    lora = replace(LORA, answer_loss_before=4.0, answer_loss=1.5, answers=1)
    assert "4.00 → 1.50 nats per token on 1 gold answer," in shown(
        replace(FRAME, lora=lora), (90, 20)
    )


def test_before_anything_is_measured_nothing_is_claimed() -> None:
    text = shown(replace(FRAME, stage="reading", lora=LoraFrame()), (78, 19))
    assert "not counted yet" in text
    for part in ("rank", "time", "norm", "loss"):
        assert part not in text


def test_the_time_bar_is_as_long_as_there_is_room() -> None:
    assert time_bar(LORA, 50).plain == " " * 10 + "█" * 30 + "▓" * 10
    assert time_bar(LoraFrame(), 50).plain == ""
    assert "2:05" in time_lines(replace(LORA, read_seconds=125.0), 80).plain


@pytest.mark.parametrize("width", [30, 60])
def test_more_chunks_than_cells_are_averaged(width: int) -> None:
    columns = tuple((float(n % 2), 1.0) for n in range(64))
    heatmap, seen = NormHeatmap(), []

    async def body(pilot: Pilot[None]) -> None:
        heatmap.norms = NormMap(columns, 64, (5.0, 8.0))
        await pilot.pause()
        seen.extend(screen_text(pilot.app).splitlines())

    drive(heatmap, body, (width, 5))
    assert seen[0].startswith("  1 ██████")
    assert seen[0].rstrip().endswith("8")
    assert len(seen[0]) == width
    assert "·" not in seen[0]


def test_the_legend_leaves_out_what_has_no_room() -> None:
    assert legend(NORMS, 80).plain.endswith("at the right: all chunks")
    assert legend(NORMS, 40).cell_length <= 40


def test_lines_stand_close_together_after_the_width_has_changed() -> None:
    panel, seen = LearnPanel(), []

    async def body(pilot: Pilot[None]) -> None:
        panel.frame = FRAME
        await pilot.pause()
        await pilot.resize_terminal(100, 30)
        await until(pilot, lambda: "2 of 4 read   the last of 256 tokens   by" in told())
        seen.extend(told().splitlines())

    def told() -> str:
        return screen_text(panel.app)

    drive(panel, body, (34, 30))
    first = [row.split()[:1] for row in seen]
    place = first.index(["chunks"])
    assert first[place : place + 3] == [["chunks"], ["rank"], ["time"]]
