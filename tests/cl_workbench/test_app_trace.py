"""Reading what the roles said, on screen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_ace_app import ace_bench, learn_by_questions, learned, roles
from scripted_app import SMALL, WIDE, Bench, run

from cl_workbench.screens.trace import TraceScreen
from cl_workbench.screens.trace_rows import rows_of
from engines.ace.operations import Add
from engines.ace.outcome import Outcome
from engines.ace.roles import RoleTurn
from engines.ace.trace import Trace, TraceEntry
from engines.protocol import Turn
from widgets.record_table import RecordTable
from widgets.role_turns import filtered, turn_text

TURN = RoleTurn(
    "generator", (Turn("system", "You answer."), Turn("user", "<question>Why?</question>")),
    '{"final_answer": "[b]42[/b]"}', "Let me\x1b[31m see.", {"final_answer": "42"},
    problems=("it holds no JSON object",), unknown_ids=("x-1",), prompt_tokens=100,
    completion_tokens=20, seconds=1.5, attempts=2, bullets_left_out=3,
)  # fmt: skip


def entry(turn: RoleTurn | None = None, **values: object) -> TraceEntry:
    return TraceEntry("learning", 1, 2, "Why?", turn, **values)  # type: ignore[arg-type]


def trace(*entries: TraceEntry) -> Trace:
    return Trace("Harbour [i]", "m:1b", "at http://x", "2026-01-01T00:00:00+00:00", entries)


def test_what_came_of_a_turn_belongs_to_it_and_the_rest_stands_alone() -> None:
    held = Outcome(Add("strategies", "Look twice."), "held", "it holds a URL")
    rows = rows_of(
        trace(
            TraceEntry("learning", note="The model wrote 3 questions."),
            entry(TURN),
            entry(right=False),
            entry(replace(TURN, role="curator")),
            entry(outcomes=(held,)),
            replace(entry(outcomes=(held,)), question=3),
        )
    )
    assert [row.role for row in rows] == ["", "generator", "curator", ""]
    assert [row.came_of_it for row in rows] == [
        "The model wrote 3 questions.", "✗ wrong", "1 held", "1 held",
    ]  # fmt: skip
    assert rows[1].record().cells[1:6] == ("loop 1", "2", "generator", "120", "1.5 s")
    text = turn_text(rows[1], 60).plain
    for part in (
        "loop 1, question 2", "120 tokens, 1.5 s, 2 attempts", "✗ wrong", "attempt 1: it holds no",
        "No bullet has the ids x-1.", "3 bullets", "[b]42[/b]", "Let me see.", "You answer.",
        "<question>Why?</question>",
    ):  # fmt: skip
        assert part in text, part


def test_turns_are_filtered_by_role_and_words() -> None:
    rows = rows_of(trace(entry(TURN), entry(replace(TURN, role="reflector", said="Haste."))))
    assert [row.role for row in filtered(rows, "reflector", "")] == ["reflector"]
    assert [row.role for row in filtered(rows, "", "hASTE")] == ["reflector"]
    assert filtered(rows, "curator", "") == []


@pytest.mark.parametrize("size", [SMALL, WIDE, (200, 50)])
def test_a_learn_is_read_turn_by_turn_and_written_into_a_file(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def body(bench: Bench) -> None:
        await learn_by_questions(bench)
        await learned(bench)
        await bench.press("T")
        await bench.sees("learn 1 of 1: The harbour light")
        await bench.sees("check at first")
        await bench.press("j", "j", "j")
        await bench.sees("curator   loop 1, question 1")
        await bench.sees("added strategy-00001")
        await bench.press("f")
        await bench.sees("shown of the generator")
        table = bench.app.screen.query_one(RecordTable)
        assert {record.cells[3] for record in table.records} == {"generator"}
        await bench.press("slash", *"colours", "enter")
        await bench.until(lambda: len(table.records) == 2)
        await bench.press("escape")
        await bench.until(lambda: len(table.records) > 2)
        await bench.press("X")
        await bench.sees("Export the trace")
        await bench.press("enter")
        await bench.sees("Wrote 21 turns to")
        await bench.press("X")
        await bench.sees("Export the trace")
        await bench.press(*["backspace"] * 3)
        await bench.type(".json")
        exports = bench.app.home.root / "exports"
        await bench.until((exports / "trace-the-harbour-light.json").exists)
        assert "## curator: loop 1" in (exports / "trace-the-harbour-light.md").read_text()
        kept = json.loads((exports / "trace-the-harbour-light.json").read_text())
        assert kept["title"] == "The harbour light"
        await bench.until(lambda: isinstance(bench.app.screen, TraceScreen))
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)

    run(ace_bench(tmp_path), body, size)


def test_without_a_learn_it_says_what_to_press(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.press("T")
        await bench.sees("No learn was traced in this session")
        await bench.press("X", "f", "slash")
        await bench.press("f1")
        await bench.sees("Write the whole trace into a Markdown or JSON file")
        await bench.press("f1", "escape")
        await bench.until(lambda: bench.app.screen is bench.screen)

    run(ace_bench(tmp_path), body, SMALL)


def test_a_thousand_turns_are_walked_through(tmp_path: Path) -> None:
    long = [replace(TURN, said=f"Answer {n}.") for n in range(1_000)]

    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        made = trace(*(replace(entry(turn), question=n) for n, turn in enumerate(long)))
        bench.app.push_screen(TraceScreen([trace(entry(TURN)), made], tmp_path))
        await bench.sees("1,000 turns")
        await bench.press("end")
        await bench.sees("Answer 999.")
        await bench.press("left_square_bracket")
        await bench.sees("learn 2 of 2")
        await bench.sees("1 turn,")
        await bench.press("right_square_bracket")
        await bench.sees("learn 1 of 2")

    run(ace_bench(tmp_path, roles()), body)
