from __future__ import annotations

from dataclasses import replace

from driving import drive, screen_text
from textual.pilot import Pilot

from widgets.gate_heatmap import GateBins
from widgets.learn_panel import LearnFrame, LearnPanel, Notice

FRAME = LearnFrame(
    title="harbour.md",
    stage="learning",
    fraction=0.41,
    tokens=884,
    pass_number=3,
    passes=6,
    step=9,
    steps=21,
    tokens_per_second=212,
    seconds=10,
    seconds_left=14,
    loss=((0.1, 3.4), (0.41, 1.82)),
    alpha=((0.1, 0.95), (0.41, 0.5)),
    held_out=((0.1, 3.0), (0.41, 3.003)),
    held_out_before=3.0,
    gate=GateBins((28, 29), 1536, ((0.1, 0.2), (0.3, 0.4)), (0.15, 0.35)),
)


def test_every_number_of_learning_is_shown() -> None:
    panel = LearnPanel()

    async def body(pilot: Pilot[None]) -> None:
        panel.frame = FRAME
        await pilot.pause()
        text = screen_text(pilot.app)
        for part in (
            "harbour.md", "884 tokens", "pass 3/6", "batch 9/21", "212 tok/s", "0:14 left",
            "41%", "1.82", "3.40 → 1.82", "0.95 → 0.50", "+0.1% ✓",
            "25% open", "2 layers × 1,536 neurons in 2 bins", "35%", "15%",
        ):  # fmt: skip
            assert part in text, part

    drive(panel, body, (90, 30))


def test_a_held_out_loss_above_one_per_cent_is_marked() -> None:
    panel = LearnPanel()

    async def body(pilot: Pilot[None]) -> None:
        panel.frame = replace(FRAME, held_out=((0.41, 3.09),))
        await pilot.pause()
        assert "+3.0% !" in screen_text(pilot.app)

    drive(panel, body, (90, 30))


def test_words_stand_alone_when_nothing_is_learned_and_above_the_curves_at_the_end() -> None:
    panel = LearnPanel()

    async def body(pilot: Pilot[None]) -> None:
        panel.notice = Notice("empty", "Nothing is being learned", ("Press l.",))
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "Press l." in text
        assert "loss" not in text
        assert "%" not in text
        panel.frame = FRAME
        panel.notice = Notice("failed", "Nothing was learned", ("[x] is empty.",))
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "[x] is empty." in text
        assert "loss" in text

    drive(panel, body, (90, 30))


def test_loading_shows_a_bar_and_an_unknown_length_shows_none() -> None:
    panel = LearnPanel()

    async def body(pilot: Pilot[None]) -> None:
        panel.notice = Notice("loading", "Loading the model", ("reading",))
        panel.loading_fraction = 0.5
        await pilot.pause()
        assert "50%" in screen_text(pilot.app)
        panel.loading_fraction = None
        await pilot.pause()
        assert "%" not in screen_text(pilot.app)

    drive(panel, body, (90, 30))


def test_a_strategy_without_gate_or_alpha_leaves_them_out() -> None:
    panel = LearnPanel()

    async def body(pilot: Pilot[None]) -> None:
        panel.frame = replace(FRAME, gate=None, alpha=(), held_out=())
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "gate" not in text
        assert "α" not in text
        assert "held-out" not in text

    drive(panel, body, (90, 30))


def test_a_gate_that_is_off_says_so_and_a_stage_is_named() -> None:
    panel = LearnPanel()

    async def body(pilot: Pilot[None]) -> None:
        gate = replace(FRAME.gate, gated=False) if FRAME.gate else None
        panel.frame = replace(FRAME, stage="calibrating gates", gate=gate)
        await pilot.pause()
        assert "every neuron learns" in screen_text(pilot.app)
        assert "calibrating gates" in screen_text(pilot.app)

    drive(panel, body, (90, 30))
