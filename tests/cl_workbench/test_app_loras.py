"""Documents that become LoRAs, on screen, with a scripted engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_app import SMALL, WIDE, Bench, make_bench, run
from scripted_loras import LoraEngine, SimulatedLoraEngine

SIZES = pytest.mark.parametrize("size", [SMALL, WIDE, (200, 50)], ids=lambda size: f"{size[0]}")


async def halfway(bench: Bench) -> None:
    bench.script.learn_hold = 5
    await bench.sees("ready")
    await bench.press("4")
    await bench.choose("harbour.md")
    await bench.press("l")
    await bench.sees("chunk 5/12")


@SIZES
def test_chunks_norms_ranks_and_times_are_seen_as_they_come(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def body(bench: Bench) -> None:
        await halfway(bench)
        for part in (
            "5 of 12 read", "by smollm2-135m", "effective 17.3", "read 1.50 s 67%",
            "generate 0.75 s 33%", "30 layers × 12 chunks", "░▒▓█ 1.9", "·······",
        ):  # fmt: skip
            await bench.sees(part)
        assert "SIMULATED" not in bench.text
        bench.script.go.set()
        await bench.sees("Learned The harbour light")
        await bench.sees("inject 0.25 s")
        await bench.sees("3.31 → 2.80")
        await bench.sees("8 gold answers")

    run(make_bench(tmp_path, engine=LoraEngine), body, size)


@SIZES
def test_what_is_simulated_says_so_while_and_after_it_is_learned(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("doc2lora SIMULATED")
        await halfway(bench)
        await bench.sees("SIMULATED   the LoRA is random")
        assert "learning 33%" in bench.text.splitlines()[0]
        bench.script.go.set()
        await bench.sees("Learned The harbour light")
        await bench.sees("SIMULATED   the LoRA is random")

    run(make_bench(tmp_path, engine=SimulatedLoraEngine), body, size)


def test_the_dial_is_the_context_strength(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.learn("harbour.md")
        assert bench.screen.offers("context_strength(1)")
        assert not bench.screen.offers("strength(1)")
        assert not bench.screen.offers("alpha(1)")
        await bench.press("right_square_bracket")
        await bench.sees("context strength 1.25")
        await bench.press(*["left_square_bracket"] * 5)
        await bench.sees("context strength off")
        await bench.press("2")
        await bench.until(lambda: bench.text.count("context strength off") == 2)
        assert "bias" not in bench.text

    run(make_bench(tmp_path, engine=LoraEngine), body)


def test_an_engine_that_biases_has_no_context_strength(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        assert not bench.screen.offers("context_strength(1)")

    run(make_bench(tmp_path), body)


def test_a_cancelled_document_leaves_nothing(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await halfway(bench)
        await bench.press("escape")
        bench.script.go.set()
        await bench.sees("nothing of it was kept")
        assert not bench.ledger

    run(make_bench(tmp_path, engine=LoraEngine), body)
