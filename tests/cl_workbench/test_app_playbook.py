"""The playbook's screen: reading, searching and changing bullets, and its files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from scripted_app import SMALL, WIDE, Bench, make_bench, run
from scripted_engine import Script
from scripted_playbook import LIGHT, GrownEngine, LargeEngine, PlaybookEngine, WaitingEngine, large

from cl_workbench.screens.playbook import CRAMPED, PlaybookScreen
from engines.ace import files
from engines.ace.exporting import markdown
from engines.ace.revisions import History

by_size = pytest.mark.parametrize("size", [SMALL, WIDE, (200, 50)], ids=str)
Body = Callable[[Bench], Awaitable[None]]


async def opened(bench: Bench) -> PlaybookScreen:
    await bench.sees("ready")
    await bench.press("B")
    await bench.until(lambda: isinstance(bench.app.screen, PlaybookScreen))
    screen = bench.app.screen
    assert isinstance(screen, PlaybookScreen)
    await bench.until(lambda: screen.focused is not None or bench.app.size.width < CRAMPED)
    return screen


def on_playbook(
    folder: Path,
    body: Body,
    engine: type[PlaybookEngine] = GrownEngine,
    size: tuple[int, int] = WIDE,
    script: Script | None = None,
) -> Bench:
    async def on_screen(bench: Bench) -> None:
        await opened(bench)
        await body(bench)

    bench = make_bench(folder, script, engine=engine)
    run(bench, on_screen, size)
    return bench


def history(bench: Bench) -> History:
    found = bench.screen._known.playbook_view().history
    assert found is not None
    return found


def texts(bench: Bench) -> list[str]:
    return [bullet.text for bullet in history(bench).playbook.bullets]


@by_size
def test_bullets_stand_by_section_with_the_marked_one_in_full(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("7 bullets")
        await bench.sees("unsaved")
        assert "facts to check  1" in bench.text
        assert "strategy-00001    +3   -0  The harbour light" in bench.text
        await bench.sees("helpful 3   harmful 0")
        await bench.press("j")
        await bench.sees("strategy-00002   strategies")
        await bench.press("down", "down")
        await bench.sees("fact-00004   facts to check")
        await bench.press("G")
        await bench.sees("mistake-00007   common mistakes")
        await bench.press("g")
        await bench.sees("strategy-00001   strategies")

    on_playbook(tmp_path, body, size=size)


def test_text_of_a_model_is_never_markup(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("j", "j")
        await bench.sees("strategy-00003   strategies")
        await bench.sees("[b]not after[/b]")

    on_playbook(tmp_path, body)


def test_a_bullet_tells_where_it_comes_from_and_every_change_to_it(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("loop 1, question: How often")
        assert "3  2025-01-01 09:03  reflector: helpful +3" in bench.text
        await bench.press("j")
        await bench.sees("curator: text changed")
        assert "- Write the unit that the question asks for, even where" in bench.text
        await bench.press("j", "j")
        await bench.sees("undo: brought back")
        assert "5  2025-01-01 09:05  person: removed" in bench.text

    on_playbook(tmp_path, body, size=(200, 50))


def test_a_search_filters_as_it_is_typed(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("slash", *"light tw")
        await bench.sees("1 of 7")
        await bench.sees("strategy-00001   strategies")
        assert "mistake-00006" not in bench.text
        await bench.press(*"xyz")
        await bench.sees("No bullet has 'light twxyz': esc shows all.")
        await bench.press("escape")
        await bench.sees("mistake-00006")
        await bench.press("slash", *"MISTAKES", "enter", "j")
        await bench.sees("mistake-00007   common mistakes")
        await bench.press("slash", "enter", "escape")
        await bench.sees("strategy-00001")
        assert isinstance(bench.app.screen, PlaybookScreen)
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)

    on_playbook(tmp_path, body)


def test_the_order_goes_round_with_s(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        for order, first in (
            ("most helpful", "strategy-00001"),
            ("most harmful", "mistake-00007"),
            ("newest", "mistake-00007"),
            ("id", "fact-00004"),
        ):
            await bench.press("s", "g")
            await bench.sees(f"by {order}")
            await bench.sees(f"{first}   ")
            lines = bench.text.splitlines()
            assert first in lines[4]
        await bench.press("s")
        await bench.sees("facts to check  1")

    on_playbook(tmp_path, body)


def test_a_bullet_is_written_by_a_person_and_undone(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("a")
        await bench.sees("A new bullet")
        await bench.type("Name the source of each figure.")
        await bench.sees("Added as strategy-00008")
        assert "Name the source of each figure." in texts(bench)
        assert history(bench).head.origin == "person"
        await bench.press("u")
        await bench.sees("Undid revision 7")
        assert "Name the source of each figure." not in texts(bench)
        await bench.press("ctrl+r")
        await bench.until(lambda: "Name the source of each figure." in texts(bench))

    on_playbook(tmp_path, body)


def test_a_bullet_that_cannot_be_is_not_kept(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("a")
        await bench.sees("A new bullet")
        await bench.press("enter")
        await bench.sees("The text is empty.")
        await bench.type(LIGHT)
        await bench.sees("The playbook stays as it is")
        assert history(bench).next == 7
        await bench.press("a", "shift+tab", *"?!")
        await bench.press("tab", *"Any", "enter")
        await bench.sees("A section's name")
        await bench.press("escape")
        await bench.until(lambda: isinstance(bench.app.screen, PlaybookScreen))

    on_playbook(tmp_path, body)


def test_a_text_is_changed_and_a_bullet_removed_after_asking(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("e")
        await bench.sees("Change strategy-00001")
        await bench.type(" Twice.")
        await bench.until(lambda: f"{LIGHT} Twice." in texts(bench))
        await bench.press("d")
        await bench.sees("Remove strategy-00001?")
        await bench.press("n", "x", "y")
        await bench.sees("strategy-00001: removed")
        await bench.until(lambda: len(texts(bench)) == 6)
        await bench.sees("strategy-00002   strategies")

    on_playbook(tmp_path, body)


def test_an_empty_playbook_says_what_to_press(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("The playbook is empty: a writes a bullet")
        assert "remove" not in bench.text
        await bench.press("j", "d", "e", "2")
        await bench.sees("Nothing waits for review.")
        await bench.press("y", "n", "Y", "3")
        await bench.sees("start")

    on_playbook(tmp_path, body, PlaybookEngine, SMALL)


def test_a_narrow_window_says_so(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("This screen needs 56 columns")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)

    on_playbook(tmp_path, body, size=(50, 20))


def test_the_help_names_every_key(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("question_mark")
        await bench.sees("Show only bullets with these words")
        await bench.press("G", "escape")
        await bench.until(lambda: isinstance(bench.app.screen, PlaybookScreen))

    on_playbook(tmp_path, body)


# Changes


def test_the_changes_show_what_each_did(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("3")
        await bench.sees("undid revision 5")
        await bench.sees("+ fact-00004")
        await bench.press("j")
        await bench.sees("Revision 5: person")
        assert "- The lighthouse at the cape was built in 1871 by masons." in bench.text
        await bench.press("j")
        await bench.sees("~ strategy-00002")
        assert "refused: no bullet has that id" in bench.text
        await bench.press("j")
        await bench.sees("~ strategy-00001   helpful +3")
        assert "validation score 62%" in bench.text

    on_playbook(tmp_path, body, size=(200, 50))


def test_two_revisions_are_held_against_each_other(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("3", "m")
        await bench.sees("Revision 6 is marked")
        await bench.press("j", "j", "j", "j")
        await bench.sees("From revision 2 to 6")
        await bench.sees("~ strategy-00002")
        assert "Not applied" not in bench.text
        await bench.press("g", "m", "j")
        await bench.sees("Revision 5: person")

    on_playbook(tmp_path, body)


def test_going_back_to_a_revision_and_on_from_one(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("3", "G", "k", "v")
        await bench.sees("Went back to revision 1")
        await bench.until(lambda: len(texts(bench)) == 4)
        await bench.press("u")
        await bench.until(lambda: len(texts(bench)) == 7)
        await bench.press("G", "k", "k", "b")
        await bench.until(lambda: history(bench).head.origin == "branch")
        await bench.press("g", "v")
        await bench.sees("is what it was at revision 9 already")

    on_playbook(tmp_path, body)


def test_tab_goes_through_the_views(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("tab")
        await bench.sees("Nothing waits")
        await bench.press("tab")
        await bench.sees("SCORE")
        await bench.press("tab")
        await bench.sees("HELP")
        await bench.press("shift+tab")
        await bench.sees("SCORE")
        await bench.pilot.click("ViewBar", offset=(22, 0))
        await bench.sees("Nothing waits")

    on_playbook(tmp_path, body)


# Files


def test_a_playbook_is_saved_changed_and_opened_again(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "playbooks"

    async def body(bench: Bench) -> None:
        await bench.press("w")
        await bench.type("a/b")
        await bench.sees("playbook name")
        await bench.press("ctrl+u")
        await bench.type("harbour")
        await bench.sees("harbour, saved")
        assert files.load(folder, "harbour") == history(bench)
        await bench.press("d", "y")
        await bench.sees("1 change since it was saved")
        await bench.press("o")
        await bench.sees("Saved playbooks")
        await bench.press("r", "ctrl+u")
        await bench.type("light")
        await bench.sees("It is light now.")
        await bench.press("enter")
        await bench.sees("1 change since the last save")
        await bench.press("y")
        await bench.sees("light is open: 7 bullets.")
        await bench.sees("light, saved")
        assert len(texts(bench)) == 7

    on_playbook(tmp_path, body)


def test_the_name_is_found_again_when_the_screen_is_opened_later(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.press("w")
        await bench.type("harbour")
        await bench.sees("harbour, saved")
        await bench.press("escape")
        await bench.until(lambda: bench.app.screen is bench.screen)
        await opened(bench)
        await bench.sees("harbour, saved")

    on_playbook(tmp_path, body)


def test_another_playbook_of_that_name_is_asked_about(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "playbooks"
    files.save(folder, "harbour", large(3, 4))

    async def body(bench: Bench) -> None:
        await bench.press("w")
        await bench.type("harbour")
        await bench.sees("Replace harbour?")
        await bench.press("n", "w")
        await bench.type("harbour")
        await bench.sees("Replace harbour?")
        await bench.press("y")
        await bench.sees("harbour, saved")
        assert files.load(folder, "harbour") == history(bench)

    on_playbook(tmp_path, body)


def test_a_saved_playbook_is_deleted_after_asking(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "playbooks"
    files.save(folder, "old", large(3, 4))
    (folder / "torn.json").write_text('{"format": "cl-workbench playbook"')

    async def body(bench: Bench) -> None:
        await bench.press("o")
        await bench.sees("is damaged")
        await bench.press("d")
        await bench.sees("Delete old?")
        await bench.press("y")
        await bench.sees("Deleted old.")
        assert [path.stem for path in folder.glob("*.json")] == ["torn"]
        await bench.press("escape")
        await bench.until(lambda: isinstance(bench.app.screen, PlaybookScreen))

    on_playbook(tmp_path, body)


def test_bullets_are_exported_and_imported(tmp_path: Path) -> None:
    exported = tmp_path / "home" / "exports" / "playbook.md"
    given = tmp_path / "given.md"
    given.write_text(
        "# Rules\n\n## strategies\n\n- Count twice.\n- Ask http://a.example/x first.\n"
    )

    async def body(bench: Bench) -> None:
        await bench.press("X", "enter")
        await bench.sees("Wrote 7 bullets")
        assert exported.read_text(encoding="utf-8") == markdown(history(bench).playbook, "playbook")
        await bench.press("i")
        await bench.type(str(tmp_path / "nowhere.md"))
        await bench.sees("There is no such file")
        await bench.press("ctrl+u")
        await bench.type(str(given))
        await bench.sees("Imported 1 bullet from given.md")
        assert "Count twice." in texts(bench)
        await bench.sees("1 waiting")

    on_playbook(tmp_path, body)


def test_a_file_without_bullets_is_told_of(tmp_path: Path) -> None:
    given = tmp_path / "given.md"
    given.write_text("Nothing to see.\n")

    async def body(bench: Bench) -> None:
        await bench.press("i")
        await bench.type(str(given))
        await bench.sees("There is no bullet to import")

    on_playbook(tmp_path, body)


# Much


def test_a_large_playbook_can_be_gone_through(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("500 bullets")
        await bench.press("G")
        await bench.sees("mistake-00499   common mistakes")
        await bench.press("slash", *"rule 1f3481f", "enter")
        await bench.sees("1 of 500")
        await bench.press("3", "pagedown", "pagedown", "G", "k")
        await bench.sees("Revision 1: import")

    on_playbook(tmp_path, body, LargeEngine)


def test_waiting_operations_are_counted_in_the_head(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.sees("6 waiting")

    on_playbook(tmp_path, body, WaitingEngine, SMALL)
