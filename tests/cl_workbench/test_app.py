"""The whole screen with a scripted engine: what a person presses, and what is then true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scripted_app import Bench, make_bench, run
from scripted_engine import Script
from textual.binding import Binding
from textual.widgets import Input, OptionList

from cl_workbench.app import CLOSE_SECONDS
from cl_workbench.screens.ask_text import AskTextScreen
from cl_workbench.screens.choose import ChooseScreen
from cl_workbench.screens.confirm import ConfirmScreen
from cl_workbench.screens.help import HelpScreen
from cl_workbench.screens.keys import BINDINGS
from engines.protocol import EngineError, ModelError

SMALL, WIDE = (80, 24), (120, 36)


@pytest.mark.parametrize("size", [SMALL, WIDE])
def test_learn_ask_compare_and_forget(tmp_path: Path, size: tuple[int, int]) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.learn("harbour.md")
        await bench.sees("Learned The harbour light in 0:30")
        await bench.press("c")
        await bench.type("How often?")
        await bench.until(lambda: bench.said[-1:] == [bench.script.learned_answer])
        await bench.until(lambda: not bench.screen._known.conversation.waiting)
        await bench.press("escape", "b")
        await bench.until(
            lambda: bench.said[-2:] == [bench.script.base_answer, bench.script.learned_answer]
        )
        await bench.press("x")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("y")
        await bench.until(lambda: bench.ledger == [])
        await bench.sees("0 learned")

    run(bench, body, size)


def test_escape_cancels_a_learning_and_the_ledger_stays(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=10))

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("learning 50%")
        assert "50%" in bench.text.splitlines()[6]  # the file's own line in the tree
        await bench.press("escape")
        bench.script.go.set()
        await bench.sees("Cancelled The harbour light")
        await bench.sees("ready")
        assert bench.ledger == []

    run(bench, body)


def test_escape_in_the_question_leaves_the_line_and_not_the_learning(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=10))

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("learning 50%")
        await bench.press("c")
        await bench.until(lambda: isinstance(bench.app.focused, Input))
        await bench.press("escape")
        await bench.until(lambda: not isinstance(bench.app.focused, Input))
        bench.script.go.set()
        await bench.until(lambda: len(bench.ledger) == 1)

    run(bench, body)


def test_letters_are_typed_into_a_line_and_are_no_keys_there(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.press("c")
        await bench.until(lambda: isinstance(bench.app.focused, Input))
        await bench.press(*"lbxsoRp12[]/?")
        assert bench.panes.chat.question == "lbxsoRp12[]/?"
        assert bench.ledger == []
        assert bench.app.screen is bench.screen

    run(bench, body)


def test_an_engine_that_crashes_leaves_a_working_app(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(break_at=3))

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("Nothing was learned")
        await bench.sees("RuntimeError in the engine: see")
        bench.script.break_at = None
        await bench.learn("aviary.md")
        assert bench.ledger == ["The aviary"]

    run(bench, body)


def test_a_refused_document_says_why(tmp_path: Path) -> None:
    sentence = "[bold]This[/bold] is too strange: choose another document."
    bench = make_bench(tmp_path, Script(break_at=1, break_with=lambda: EngineError(sentence)))

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("[bold]This[/bold] is too strange")

    run(bench, body)


def test_a_model_that_cannot_be_loaded_leaves_reading_and_says_what_to_do(tmp_path: Path) -> None:
    error = ModelError("There is no model 'x': set model.name.")
    bench = make_bench(tmp_path, open_error=error)

    async def body(bench: Bench) -> None:
        await bench.sees("There is no model 'x': set model.name.")
        await bench.sees("no model")
        await bench.choose("harbour.md")
        await bench.press("enter")
        await bench.sees("• red")
        await bench.press("c")
        await bench.type("Hello?")
        await bench.sees("There is no model to ask")

    run(bench, body)


def test_a_loading_is_cancelled_and_begun_again(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(load_hold=True))

    async def body(bench: Bench) -> None:
        await bench.sees("loading model 40%")
        await bench.choose("harbour.md")
        await bench.press("l", "escape")
        bench.script.go.set()
        await bench.sees("Loading the model was cancelled; m loads it again.")
        await bench.sees("What waited for it in line was dropped.")
        await bench.sees("no model")
        titles = {command.title for command in bench.app.get_system_commands(bench.screen)}
        assert "Load model" in titles
        await bench.press("m")
        await bench.sees("ready")
        assert bench.ledger == []
        await bench.learn("aviary.md")

    run(bench, body)


def test_a_question_in_line_for_a_model_that_does_not_load_is_answered_so(tmp_path: Path) -> None:
    script = Script(load_hold=True)
    bench = make_bench(tmp_path, script)

    async def body(bench: Bench) -> None:
        await bench.sees("loading model 40%")
        await bench.press("c")
        await bench.type("How often?")
        await bench.press("escape", "escape")
        script.go.set()
        await bench.sees("no model")
        await bench.until(lambda: not bench.screen._known.conversation.waiting)

    run(bench, body)


def test_a_folder_is_counted_and_asked_about(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        bench.tree.move_cursor(bench.tree.root)
        await bench.press("l")
        await bench.sees("Learn the 3 documents in documents?")
        assert "aviary.md, harbour.md, lighthouse.txt." in bench.text
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)
        await bench.press("l")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("down", "enter")
        await bench.until(lambda: len(bench.ledger) == 3)
        await bench.sees("Learned 3 documents")

    run(bench, body)


@pytest.mark.parametrize("size", [SMALL, WIDE])
def test_a_typed_folder_is_asked_about_with_what_is_left_out(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=10))
    other = tmp_path / "letters"
    other.mkdir()
    for number in range(7):
        (other / f"letter-{number}.md").write_text(f"# Letter {number}\n\nDear aunt.")
    (other / "empty.txt").write_text("")
    (other / "photo.png").write_bytes(b"\x89PNG")

    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        await bench.press("p")
        await bench.until(lambda: isinstance(bench.app.screen, AskTextScreen))
        bench.app.screen.query_one(Input).value = str(other)
        await bench.press("enter")
        await bench.sees("Learn the 7 documents in letters?")
        words = " ".join(re.sub("[│├└▸▾]", " ", bench.text).split())
        assert "letter-0.md, letter-1.md" in words
        assert "letter-4.md and 2 more." in words
        assert "1 can't be read: empty.txt." in words
        assert "1 left out: photo.png." in words
        assert "Yes, learn 7 documents" in words
        await bench.press("y")
        await bench.sees("document 1 of 7")
        bench.script.learn_hold = None
        bench.script.go.set()
        await bench.sees("Learned 7 documents")

    run(bench, body, size)


@pytest.mark.parametrize("size", [(100, 36), WIDE, (160, 48)])
def test_the_place_among_several_documents_fits_the_learn_pane(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=10))

    async def body(bench: Bench) -> None:
        bench.tree.move_cursor(bench.tree.root)
        await bench.press("l")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("y")
        await bench.sees("learning 50%")
        await bench.sees("The aviary   document 1 of 3")
        await bench.sees("0:15 left")

    run(bench, body, size)


def test_notes_on_several_documents_are_all_told(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(notes=("The end was cut.",)))

    async def body(bench: Bench) -> None:
        bench.tree.move_cursor(bench.tree.root)
        await bench.press("l")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmScreen))
        await bench.press("y")
        await bench.sees("Learned 3 documents")
        for title in ("The aviary", "The harbour light"):
            assert f"{title}: The end was cut." in bench.text

    run(bench, body)


def test_the_read_pane_tells_what_of_a_folder_is_learned(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    (tmp_path / "documents" / "empty.txt").write_text("")

    async def body(bench: Bench) -> None:
        bench.tree.move_cursor(bench.tree.root)
        await bench.press("3")
        await bench.sees("3 documents will be learned with l, 1 left out.")
        await bench.sees("is empty")

    run(bench, body)


def test_a_big_file_is_previewed_in_part(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    (tmp_path / "documents" / "big.txt").write_text("word " * 100_000)

    async def body(bench: Bench) -> None:
        await bench.until(lambda: "big.txt" in bench.text)
        await bench.choose("big.txt")
        await bench.press("3")
        await bench.sees("500,000 bytes. The first 64 KB are shown.")

    run(bench, body)


def test_a_typed_path_is_checked_and_learned(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.press("p")
        await bench.until(lambda: isinstance(bench.app.screen, AskTextScreen))
        await bench.type("nowhere.md")
        await bench.sees("There is no such file or folder")
        line = bench.app.screen.query_one(Input)
        line.value = str(bench.tree.folder / "aviary.md")
        await bench.press("enter")
        await bench.until(lambda: bench.ledger == ["The aviary"])

    run(bench, body)


def test_save_reset_and_open_again(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.learn("aviary.md")
        await bench.press("s")
        await bench.until(lambda: isinstance(bench.app.screen, AskTextScreen))
        await bench.type("../away")
        await bench.sees("can't be a checkpoint name")
        bench.app.screen.query_one(Input).value = "birds-1"
        await bench.press("enter")
        await bench.sees("Saved as birds-1.")
        assert (bench.app.home.checkpoints / "birds-1" / "manifest.json").is_file()
        await bench.press("R")
        await bench.sees("Forget everything?")
        await bench.press("y")
        await bench.until(lambda: bench.ledger == [])
        await bench.press("o")
        await bench.until(lambda: isinstance(bench.app.screen, ChooseScreen))
        await bench.until(lambda: bool(bench.app.screen.query(OptionList)))
        await bench.press("enter")
        await bench.until(lambda: bench.ledger == ["The aviary"])

    run(bench, body)


def test_nothing_saved_says_what_to_press(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.press("o")
        await bench.sees("Nothing is saved yet")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)

    run(bench, body)


def test_the_dial_adds_up_and_stays_within_its_range(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.sees("α 0.95")
        await bench.press(*["left_square_bracket"] * 3)
        await bench.sees("α 0.80")
        await bench.press(*["right_square_bracket"] * 9)
        await bench.sees("α 1.00")

    run(bench, body)


def test_no_press_of_the_dial_is_lost_while_an_answer_streams(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(answer_hold=2, alpha_hold=2))
    script = bench.script

    async def body(bench: Bench) -> None:
        await bench.press("c")
        await bench.type("How many?")
        await bench.sees("answering")
        bench.app.set_focus(bench.panes.chat.log_of_turns)
        await bench.press(*["left_square_bracket"] * 2)
        await bench.sees("α 0.85")
        script.go.set()
        await bench.until(lambda: script.alphas == [0.9, 0.85])
        bench.screen.draw_events()  # the engine has followed the first press, not the second
        await bench.press("left_square_bracket")
        script.alpha_go.set()
        await bench.until(lambda: len(script.alphas) == 3)
        assert script.alphas == [0.9, 0.85, 0.8]
        await bench.sees("α 0.80")

    run(bench, body)


def test_the_voice_can_be_switched(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.learn("aviary.md")
        await bench.press("2", "escape", "v")
        await bench.sees("answers as the base model")
        await bench.press("c")
        await bench.type("How many?")
        await bench.until(lambda: bench.said[-1:] == [bench.script.base_answer])
        await bench.until(lambda: not bench.screen._known.conversation.waiting)
        await bench.press("escape", "n")
        await bench.until(lambda: bench.said == [])

    run(bench, body)


def test_an_answer_can_be_stopped_while_typing(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(answer_hold=3))

    async def body(bench: Bench) -> None:
        await bench.press("c")
        await bench.type("How many?")
        await bench.sees("answering")
        await bench.until(lambda: bench.said[-1].startswith("I do not"))
        await bench.press("escape")
        bench.script.go.set()
        await bench.sees("cancelled after")

    run(bench, body)


def test_help_lists_every_bound_key_with_its_meaning(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.press("f1")
        await bench.until(lambda: isinstance(bench.app.screen, HelpScreen))
        await bench.sees("Learn the chosen file or folder")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)
        bindings = list(Binding.make_bindings(BINDINGS))
        assert all(binding.tooltip and binding.id for binding in bindings)
        assert len({binding.id for binding in bindings}) == len(bindings)

    run(bench, body)


def test_the_palette_offers_the_commands_and_textuals_own(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        titles = {command.title for command in bench.app.get_system_commands(bench.screen)}
        assert {"Learn", "Open", "Path", "Save screenshot", "Theme", "Quit"} <= titles
        assert "Forget" not in titles  # nothing is learned yet
        bench.app.action_save_screenshot()
        await bench.sees("Saved ")
        assert list((bench.app.home.root / "screenshots").glob("*.svg"))

    run(bench, body)


def test_a_theme_is_kept_and_unknown_ones_do_no_harm(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        assert bench.app.theme == "workbench-dark"
        for theme in ("workbench-light", "textual-ansi", "nord", "workbench-light"):
            if theme in bench.app.available_themes:
                bench.app.theme = theme
                await bench.pilot.pause()
        await bench.until(lambda: bench.app.settings.get("ui.theme") == "workbench-light")

    run(bench, body)
    assert "workbench-light" in bench.app.home.user_settings.read_text(encoding="utf-8")


def test_the_size_may_change_at_any_time(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.learn("aviary.md")
        for size in ((80, 24), (40, 10), (160, 48), (99, 40), (120, 29), (120, 36)):
            await bench.pilot.resize_terminal(*size)
            await bench.pilot.pause()
        await bench.until(lambda: not bench.panes.one_pane)
        assert bench.panes.visible_panes == ("documents", "learned", "learn")

    run(bench, body)


def test_small_terminals_show_one_pane_and_every_pane_can_be_reached(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        for key, pane in zip(
            "12345", ("learn", "chat", "read", "documents", "learned"), strict=True
        ):
            bench.app.set_focus(None)
            await bench.press(key)
            await bench.until(lambda pane=pane: bench.panes.visible_panes == (pane,))
        await bench.pilot.click("#tab-chat")
        await bench.until(lambda: bench.panes.visible_panes == ("chat",))

    run(bench, body, SMALL)


def test_the_smallest_screen_begins_with_the_documents(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        await bench.sees("ready")
        assert bench.panes.visible_panes == ("documents",)
        assert "harbour.md" in bench.text
        await bench.press("1")
        await bench.sees("Choose a file or a folder in Documents (4) and press l.")
        await bench.press("4")
        await bench.sees("harbour.md")

    run(bench, body, SMALL)


def test_a_size_that_changes_to_and_fro_leaves_the_pane_that_was_there(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def body(bench: Bench) -> None:
        turned: list[str] = []

        def note(pane: str) -> None:
            turned.append(pane)

        bench.panes.watch(bench.panes, "pane", note, init=False)
        bench.panes.one_pane = False
        bench.panes.one_pane = True
        await bench.until(lambda: bench.text.count("harbour.md") == 1)
        await bench.pilot.pause()
        assert turned == []
        assert bench.panes.visible_panes == ("documents",)

    run(bench, body, SMALL)


def test_quitting_has_one_deadline_and_a_second_time_leaves_at_once(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=10))

    async def body(bench: Bench) -> None:
        app = bench.app
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("learning 50%")
        assert app.seconds_to_close == CLOSE_SECONDS
        await bench.press("ctrl+q")
        await bench.sees("closing")
        assert 0 < app.seconds_to_close < CLOSE_SECONDS
        await app.action_quit()
        assert app.seconds_to_close == 0

    run(bench, body)
    assert bench.app.return_code == 0


def test_quit_in_the_middle_of_a_learning_stops_the_thread_first(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, Script(learn_hold=10))

    async def body(bench: Bench) -> None:
        await bench.choose("harbour.md")
        await bench.press("l")
        await bench.sees("learning 50%")
        await bench.press("ctrl+q")
        await bench.sees("closing")
        bench.script.go.set()
        assert bench.app.session is not None
        session = bench.app.session
        await bench.until(lambda: not session.alive)

    run(bench, body)
    assert bench.app.return_code == 0
