"""What an answer rests on, below it and on a sheet of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scripted_app import SMALL, WIDE, Bench, make_bench, run
from scripted_engine import Script
from scripted_retriever import CITED, FOUND, LAMP, NOTHING, RetrievingEngine
from textual.widgets import Static

from cl_workbench.screens.passages import PassagesScreen

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


def test_a_long_title_hides_neither_the_words_nor_what_tells_passages_apart(
    tmp_path: Path,
) -> None:
    title = "The keepers' book of the harbour light, kept by hand from the first night on " * 2
    found = replace(FOUND, passages=tuple(replace(one, title=title) for one in FOUND.passages))
    cited = replace(CITED[0], title=title)

    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.sees(f'…: "{LAMP[:20]}')
        await bench.press("P")
        await bench.sees("1    0.812  [1]       passage 2  cited  The keepers")
        assert "2    0.410  [2]       passage 1         The keepers" in bench.text

    run(retrieving(tmp_path, retrieval=found, citations=(cited,)), body, SMALL)


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


by_size = pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "120x36"])


@by_size
def test_the_sheet_shows_each_passage_and_the_marked_one_in_full(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.press("P")
        await bench.sees("2 of 3 in the context, 143 tokens")
        assert FOUND.query in bench.text
        await bench.sees("1    0.812  [1]       passage 2  cited  The harbour light")
        assert "3    0.050  left out  passage 7         The [b]aviary[/b]" in bench.text
        assert "Biased from the start: lamp +1.50, 1871 +1.25 nats." in bench.text
        await bench.sees("Biased by it: lamp +1.50, 1871 +1.25 nats")
        await bench.press("j")
        await bench.sees("Biased by it: 1871 +1.25 nats")
        assert "Three keepers look after the light." in bench.text
        await bench.press("down")
        await bench.sees("Forty birds of nine kinds live in it.")
        assert "not in the context" in bench.text
        await bench.press("k", "up")
        await bench.sees("Biased by it: lamp")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)

    run(retrieving(tmp_path), body, size)


def test_the_cited_words_are_marked_in_the_passage(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.press("P")
        await bench.sees("cited")
        strips = bench.app.screen._compositor.render_strips()
        marked = [s.text for strip in strips for s in strip if s.style and s.style.reverse]
        assert " ".join("".join(marked).split()).strip() == LAMP

    run(retrieving(tmp_path), body, (200, 36))


def test_without_a_bias_the_sheet_says_that_no_logits_were_moved(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench)
        await bench.press("P")
        await bench.sees("No logits were moved.")
        assert "Biased" not in bench.text

    run(retrieving(tmp_path, retrieval=replace(FOUND, nudges=())), body)


def test_a_token_of_the_answer_that_was_lifted_is_named(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("bias off")
        await bench.press("right_square_bracket")
        await asked(bench)
        await bench.press("P")
        await bench.sees("Moved by none of these: light +0.75 nats.")

    run(retrieving(tmp_path), body)


def test_the_sheet_says_where_nothing_was_found(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await asked(bench, "What is the price of tin?")
        await bench.press("P")
        await bench.sees(NOTHING.note)
        assert "No passage was found" not in bench.text
        await bench.press("j", "escape")
        await bench.until(lambda: bench.app.screen is bench.screen)

    run(retrieving(tmp_path, retrieval=NOTHING, citations=()), body)


def test_the_key_is_there_only_after_an_answer_with_passages(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.press("P")
        assert not isinstance(bench.app.screen, PassagesScreen)
        assert not bench.screen.offers("passages")
        await asked(bench)
        assert bench.screen.offers("passages")
        await bench.press("n")
        await bench.until(lambda: not bench.screen.offers("passages"))

    run(retrieving(tmp_path), body)


def test_the_strength_is_dialled_where_there_is_no_alpha(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("bias off")
        assert "α" not in bench.text
        assert not bench.screen.offers("alpha(1)")
        assert not bench.screen.offers("preview_alpha")
        assert not bench.screen.offers("study")
        await bench.press(*["right_square_bracket"] * 4)
        await bench.sees("bias 2.0")
        await bench.press(*["right_square_bracket"] * 9)
        await bench.sees("bias 4.0")
        await bench.press(*["left_square_bracket"] * 9)
        await bench.sees("bias off")
        await bench.until(lambda: bench.script.alphas[-1:] == [0.0])
        assert max(bench.script.alphas) == 4.0

    run(retrieving(tmp_path), body)


def test_an_engine_with_alpha_has_no_strength(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("α 0.95")
        assert not bench.screen.offers("strength(1)")
        assert "bias" not in bench.text

    run(make_bench(tmp_path), body)
