from __future__ import annotations

from driving import drive, screen_text, until
from textual.pilot import Pilot

from widgets.chat_log import MAX_BLOCKS, ChatLog, Comparison, Said
from widgets.chat_panel import ChatPanel, Knowledge, KnowledgeLine
from widgets.dial import Dial


def test_an_answer_grows_and_tells_its_cost() -> None:
    log = ChatLog("ask")

    async def body(pilot: Pilot[None]) -> None:
        answer = log.say("learned", "learned")
        await pilot.pause()
        assert "…" in screen_text(pilot.app)
        answer.append("The light ")
        answer.append("[bold]turns[/bold]\x1b[2J.")
        answer.finish("5 tokens")
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "The light [bold]turns[/bold]." in text
        assert "5 tokens" in text

    drive(log, body)


def test_an_answer_without_words_says_so() -> None:
    log = ChatLog("ask")

    async def body(pilot: Pilot[None]) -> None:
        log.say("base", "base").finish("0 tokens")
        await pilot.pause()
        assert "(no words)" in screen_text(pilot.app)

    drive(log, body)


def test_the_newest_line_is_kept_in_view_unless_one_scrolled_up() -> None:
    log = ChatLog("ask")

    async def body(pilot: Pilot[None]) -> None:
        answer = log.say("learned", "learned")
        answer.append("line\n" * 60 + "LAST")
        await until(pilot, lambda: "LAST" in screen_text(pilot.app))
        log.scroll_home(animate=False)
        log.release_anchor()
        await pilot.pause()
        answer.append("\nNEWER")
        await pilot.pause()
        assert "NEWER" not in screen_text(pilot.app)

    drive(log, body)


def test_a_comparison_stands_side_by_side_or_stacked() -> None:
    for width, stacked in ((100, False), (50, True)):
        log = ChatLog("ask")

        async def body(pilot: Pilot[None], log: ChatLog = log, stacked: bool = stacked) -> None:
            comparison = log.compare("How often?", "base model", "learned")
            await pilot.pause()
            comparison.base.append("never")
            comparison.learned.append("twice")
            await until(pilot, lambda: "twice" in screen_text(pilot.app))
            await until(pilot, lambda: ("twice" not in _line(pilot, "never")) is stacked)

        drive(log, body, (width, 24))


def _line(pilot: Pilot[None], word: str) -> str:
    return next((row for row in screen_text(pilot.app).splitlines() if word in row), "")


def test_old_turns_leave_the_screen() -> None:
    log = ChatLog("ask")

    async def body(pilot: Pilot[None]) -> None:
        for number in range(MAX_BLOCKS + 3):
            log.say("you", "you", str(number))
        await until(pilot, lambda: len(log.query(Said)) == MAX_BLOCKS)
        assert log.turns[-1].text == str(MAX_BLOCKS + 2)
        log.clear()
        await until(pilot, lambda: not log.query(Said) and not log.query(Comparison))

    drive(log, body)


def test_the_panel_says_which_knowledge_answers() -> None:
    panel = ChatPanel()

    async def body(pilot: Pilot[None]) -> None:
        assert "nothing learned" in screen_text(pilot.app)
        panel.knowledge = Knowledge(uses_learned=True, learned=2, dial="α 0.83")
        await pilot.pause()
        assert "2 documents learned" in screen_text(pilot.app)
        assert "α 0.83" in screen_text(pilot.app)
        panel.knowledge = Knowledge(uses_learned=False, learned=2, dial="α 0.83")
        await pilot.pause()
        assert "the base model" in screen_text(pilot.app)

    drive(panel, body)


def test_the_dial_can_be_clicked_and_a_question_entered() -> None:
    panel = ChatPanel()

    async def body(pilot: Pilot[None]) -> None:
        panel.knowledge = Knowledge(learned=1, dial="α 0.50")
        await pilot.pause()
        await pilot.click(Dial, offset=(1, 0))
        await pilot.click(Dial, offset=(15, 0))
        await pilot.click(KnowledgeLine)
        panel.focus_question()
        await pilot.press("h", "i", "enter")
        await pilot.pause()

    messages = drive(panel, body)
    assert [m.direction for m in messages if isinstance(m, Dial.Turned)] == [-1, 1]
    assert any(isinstance(m, KnowledgeLine.Clicked) for m in messages)
    assert [m.question for m in messages if isinstance(m, ChatPanel.Asked)] == ["hi"]
