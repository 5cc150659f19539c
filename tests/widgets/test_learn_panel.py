from __future__ import annotations

from dataclasses import replace

import pytest
from driving import drive, screen_text
from textual.pilot import Pilot

from widgets.gate_heatmap import GateBins
from widgets.learn_frame import LearnFrame, Notice
from widgets.learn_panel import LearnPanel

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
    held_out_budget=0.01,
    answers=((0.0, 1.0), (0.4, 11 / 12)),
    answers_probed=12,
    answers_budget=0.15,
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
            "41%", "1.82", "3.40 → 1.82", "0.95 → 0.50", "+0.1% ✓  budget 1%",
            "92%", "11 of 12 kept ✓  budget 15% lost",
            "25% open", "2 layers × 1,536 neurons in 2 bins", "35%", "15%",
        ):  # fmt: skip
            assert part in text, part

    drive(panel, body, (90, 30))


def test_what_is_above_its_budget_is_marked_and_without_a_budget_nothing_is() -> None:
    panel = LearnPanel()

    async def body(pilot: Pilot[None]) -> None:
        panel.frame = replace(FRAME, held_out=((0.41, 3.09),), answers=((0.1, 1.0), (0.41, 0.75)))
        await pilot.pause()
        assert "+3.0% !  budget 1%" in screen_text(pilot.app)
        assert "9 of 12 kept !  budget 15% lost" in screen_text(pilot.app)
        panel.frame = replace(panel.frame, held_out_budget=0.05)
        await pilot.pause()
        assert "+3.0% ✓  budget 5%" in screen_text(pilot.app)
        panel.frame = replace(panel.frame, held_out_budget=None, answers_budget=None)
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "+3.0%" in text
        assert "budget" not in text
        assert "!" not in text

    drive(panel, body, (90, 30))


def test_a_narrow_pane_keeps_the_mark_and_drops_the_budget() -> None:
    panel = LearnPanel()

    async def body(pilot: Pilot[None]) -> None:
        panel.frame = FRAME
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "+0.1% ✓" in text
        assert "11 of 12 kept ✓" in text
        assert "budget" not in text

    drive(panel, body, (60, 24))


@pytest.mark.parametrize("size", [(78, 19), (120, 30)])
def test_the_guard_the_aim_and_the_overlaps_have_a_line_each(size: tuple[int, int]) -> None:
    panel = LearnPanel()

    async def body(pilot: Pilot[None]) -> None:
        panel.frame = replace(
            FRAME,
            guard="went back to batch 4",
            learning_rates=(5e-4, 2.5e-4),
            objective="mixed: [b]questions[/b] and text",
            retention_loss=0.0123,
            overlaps=(("Aviary", 0.04), ("[red]Harbour", 0.09)),
        )
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "guard     went back to batch 4   rate 0.0005 → 0.00025" in text
        assert "objective mixed: [b]questions[/b] and text   held to the base: 0.012 nats" in text
        assert "overlap   with  [red]Harbour 9%  Aviary 4%" in text
        assert "Paused" not in text
        panel.frame = None
        await pilot.pause()
        assert screen_text(pilot.app).strip() == ""

    drive(panel, body, size)


def test_a_pause_says_why_and_which_keys_decide() -> None:
    panel = LearnPanel()

    async def body(pilot: Pilot[None]) -> None:
        panel.frame = replace(FRAME, held_out=((0.41, 3.039),), paused=True)
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "Paused: held-out +1.3%, budget 1%" in text
        assert "g go on · w go on slower · t keep it so · esc cancel" in text
        panel.frame = replace(panel.frame, paused=False)
        await pilot.pause()
        assert "go on" not in screen_text(pilot.app)

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
        panel.frame = replace(FRAME, gate=None, alpha=(), held_out=(), answers=())
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "gate" not in text
        assert "α" not in text
        assert "held-out" not in text
        assert "answers" not in text

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
