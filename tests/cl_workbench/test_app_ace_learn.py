"""Learning by questions on screen, with the real ACE engine and a scripted model."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_ace_app import ace_bench, learn_by_questions, learned, roles
from scripted_app import SMALL, WIDE, Bench, run

from engines.language_models.protocol import UnreachableError

by_size = pytest.mark.parametrize(
    "size", [SMALL, WIDE, (200, 50)], ids=["80x24", "120x36", "200x50"]
)


@by_size
def test_a_file_is_learned_by_the_questions_beside_it(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    model = roles()
    model.hold = (9, 18)

    async def body(bench: Bench) -> None:
        await learn_by_questions(bench)
        for part in (
            "loop 1/2   question 2/3", "How many keepers look after it?", "the curator writes",
            "They want the number from the text", "✗ wrong", "added strategy-00001",
            "no bullet has that id", "1 of 1 right", "1 bullet",
        ):  # fmt: skip
            await bench.sees(part)
        model.go.set()
        await learned(bench)
        for part in ("Learned The harbour light", "3 questions in 2 loops", "Validation on 1"):
            await bench.sees(part)
        await bench.sees("of 3 right")
        assert "the curator" not in bench.text

    run(ace_bench(tmp_path, model), body, size)


def test_a_cancelled_learning_leaves_the_playbook_as_it_was(tmp_path: Path) -> None:
    model = roles()
    model.hold = (9, 18)

    async def body(bench: Bench) -> None:
        await learn_by_questions(bench)
        await bench.sees("added strategy-00001")
        await bench.press("escape")
        model.go.set()
        await bench.sees("nothing of it was kept")
        state = bench.screen._known.state
        assert state is not None
        assert state.history is not None
        assert not state.history.playbook.bullets

    run(ace_bench(tmp_path, model), body)


def test_a_server_that_never_answers_is_told_in_its_sentence(tmp_path: Path) -> None:
    def gone(request: object) -> Exception:
        return UnreachableError("Nothing answers at http://localhost:11434: run 'ollama serve'.")

    async def body(bench: Bench) -> None:
        await learn_by_questions(bench)
        await bench.sees("Nothing was learned")
        await bench.sees("run 'ollama serve'")

    run(ace_bench(tmp_path, roles(generator=gone)), body)


def test_what_a_model_writes_is_never_markup_nor_a_terminal_sequence(tmp_path: Path) -> None:
    model = roles(generator=lambda request: "[red]\x1b[31mhello[/red] " * 3)
    model.hold = (1, 3)

    async def body(bench: Bench) -> None:
        await learn_by_questions(bench)
        await bench.sees("[red]hello[/red]")
        model.go.set()
        await learned(bench)
        await bench.sees("of a role not usable")

    run(ace_bench(tmp_path, model), body)
