"""What an answer rests on, below it and on a sheet of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scripted_app import SMALL, Bench, make_bench, run
from scripted_engine import Script
from scripted_retriever import CITED, FOUND, LAMP, NOTHING, RetrievingEngine
from textual.widgets import Static

LONG = "The lamp was first lit in 1871 and has been lit every night since then. " * 9


def retrieving(folder: Path, **script: object) -> Bench:
    script.setdefault("retrieval", FOUND)
    script.setdefault("citations", CITED)
    return make_bench(folder, Script(**script), engine=RetrievingEngine)  # type: ignore[arg-type]


async def asked(bench: Bench, question: str = "How often does the light turn?") -> None:
    """Learn, ask, wait for the answer's end, and leave the line."""
    if not bench.ledger:
        await bench.sees("ready")
        await bench.learn("harbour.md")
    turns = len(bench.said)
    await bench.press("c")
    await bench.type(question)
    await bench.until(lambda: len(bench.said) == turns + 2)
    await bench.until(lambda: not bench.screen._known.conversation.waiting)
    await bench.press("escape")


def test_below_an_answer_stand_the_words_it_rests_on(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.sees(f'[1] The harbour light: "{LAMP}"')

    run(retrieving(tmp_path), body)


def test_cited_words_are_cut_to_one_line(tmp_path: Path) -> None:
    cited = replace(CITED[0], passage=LONG, start=0, end=len(LONG))

    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.sees('[1] The harbour light: "The lamp was')
        line = next(line for line in bench.text.splitlines() if "[1] The harbour" in line)
        assert "…" in line
        sources = bench.panes.chat.log_of_turns.turns[-1].query_one(".said-sources", Static)
        assert sources.size.height == 1

    run(retrieving(tmp_path, citations=(cited,)), body, SMALL)


def test_an_answer_without_context_says_that_nothing_was_found(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench, "What is the price of tin?")
        await bench.sees("Nothing relevant was found, so the answer is without context.")
        assert "[1]" not in bench.text

    run(retrieving(tmp_path, retrieval=NOTHING, citations=()), body)


def test_an_answer_that_rests_on_nothing_has_no_such_lines(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        said = bench.panes.chat.log_of_turns.turns[-1]
        drawn = [child for child in said.children if child.display]
        assert len(drawn) == 3  # who, what, and what it cost

    run(retrieving(tmp_path, retrieval=None, citations=()), body)


def test_only_the_learned_answer_of_a_comparison_has_sources(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.press("n", *"How", "escape", "b")
        await bench.until(lambda: len(bench.said) == 2)
        await bench.until(lambda: not bench.screen._known.conversation.waiting)
        base, learned = bench.panes.chat.log_of_turns.turns
        assert not base.query_one(".said-sources").display
        assert learned.query_one(".said-sources").display

    run(retrieving(tmp_path), body)
