"""The α preview and the knock-out on screen: what a person presses, and what is then true."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_app import Bench, make_bench, run
from scripted_engine import Script

from cl_workbench.screens import knock_out
from cl_workbench.screens.alpha_preview import AlphaPreviewScreen
from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.knock_out import KnockOutScreen
from widgets.answer_pair import HeldAnswer
from widgets.answers_table import AnswersTable
from widgets.word_changes import changed_words

SIZES = [(80, 24), (120, 36), (200, 50)]


def alpha_of(bench: Bench) -> float | None:
    state = bench.screen._known.state
    return state.alpha if state else None


async def asked(bench: Bench, *names: str) -> None:
    """Learn some documents and ask a question."""
    for name in names:
        await bench.learn(name)
    await bench.press("c")
    await bench.type("How often does the [light] turn?")
    await bench.until(lambda: len(bench.said) == 2)
    await bench.until(lambda: not bench.screen._known.conversation.waiting)
    await bench.press("escape")


@pytest.mark.parametrize("size", SIZES)
def test_an_alpha_is_chosen_by_its_answer(tmp_path: Path, size: tuple[int, int]) -> None:
    script = Script(answers_at={1.0: "I do not know.", 0.0: "Twice, I am sure."})
    bench = make_bench(tmp_path, script)

    async def body(bench: Bench) -> None:
        await asked(bench, "harbour.md")
        await bench.press("a")
        await bench.sees("All answered. α is still 0.50.")
        assert "How often does the [light] turn?" in bench.text
        assert "α 0.50 · in use" in bench.text
        table = bench.app.screen.query_one(AnswersTable)
        assert table.rows[0].text == "I do not know."
        assert script.alphas[-1] == 0.5
        await bench.press("k", "k", "enter")  # from 0.5 over 0.7 to 0.9
        await bench.until(lambda: bench.app.screen is bench.screen)
        assert alpha_of(bench) == 0.9
        await bench.until(lambda: script.alphas[-1] == 0.9)

    run(bench, body, size)


def test_leaving_the_preview_midway_leaves_alpha_as_it_was(tmp_path: Path) -> None:
    script = Script(answers_at={1.0: "It stops here, in the midst."})
    bench = make_bench(tmp_path, script)

    async def body(bench: Bench) -> None:
        await asked(bench, "harbour.md")
        script.answer_hold = 2
        await bench.press("a")
        await bench.sees("Answering 1 of 6.")
        await bench.sees("It stops")
        assert script.alphas[-1] == 1.0
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)
        script.go.set()
        await bench.until(lambda: script.alphas[-1] == 0.5)
        await bench.sees("ready")
        assert alpha_of(bench) == 0.5

    run(bench, body)


def test_without_a_question_one_is_asked_for(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.press("a")
        await bench.until(lambda: isinstance(bench.app.screen, AskTextScreen))
        await bench.type("What is it?")
        await bench.until(lambda: isinstance(bench.app.screen, AlphaPreviewScreen))
        await bench.sees("What is it?")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)

    run(bench, body)


@pytest.mark.parametrize("size", SIZES)
def test_the_knock_out_marks_what_a_document_gives(tmp_path: Path, size: tuple[int, int]) -> None:
    script = Script(
        learned_answer="The light turns twice a minute.",
        answers_without={"The harbour light": "The light turns every so often."},
    )
    bench = make_bench(tmp_path, script)

    async def body(bench: Bench) -> None:
        await asked(bench, "harbour.md", "aviary.md")
        bench.panes.ledger.highlighted = 0
        await bench.press("e")
        await bench.sees("1 of 2 documents changes this answer: The harbour light.")
        table = bench.app.screen.query_one(AnswersTable)
        assert [row.heading for row in table.rows] == [
            "Without The harbour light", "Without The aviary",
        ]  # fmt: skip
        assert [row.note for row in table.rows] == ["3 words differ", "the same answer"]
        held = bench.app.screen.query_one(HeldAnswer)
        assert held.text == script.learned_answer
        await bench.until(lambda: held.other == "The light turns every so often.")
        await bench.press("j")
        await bench.until(lambda: held.other == script.learned_answer)
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)
        assert len(bench.ledger) == 2

    run(bench, body, size)


def test_finished_answers_are_compared_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench(tmp_path)
    compared: list[tuple[str, str]] = []

    def changed(first: str, second: str) -> tuple[int, int]:
        compared.append((first, second))
        return changed_words(first, second)

    monkeypatch.setattr(knock_out, "changed_words", changed)

    async def body(bench: Bench) -> None:
        await asked(bench, "harbour.md", "aviary.md")
        await bench.press("e")
        await bench.sees("No single document changes this answer.")
        assert len(compared) == 2 * len(bench.ledger)  # each way round, for each document

    run(bench, body)


def test_the_knock_out_is_offered_only_where_there_is_something_to_leave_out(
    tmp_path: Path,
) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        assert not bench.screen.offers("knock_out")
        await bench.press("e")
        assert not isinstance(bench.app.screen, KnockOutScreen)

    run(bench, body)
