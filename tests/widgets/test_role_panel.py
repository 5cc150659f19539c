"""What one watches while a document is learned by questions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from driving import drive, screen_text
from textual.content import Content
from textual.pilot import Pilot

from widgets.learn_frame import LearnFrame, Notice
from widgets.learn_panel import LearnPanel
from widgets.role_frame import RoleChange, RoleFrame, readable, written_lines

ROLES = RoleFrame(
    place=("loop 1/3", "question 4/12"),
    asked="How often does the [b]harbour[/b] light turn?",
    role="curator",
    attempt=2,
    thinking="They want a number.",
    writing='{"reasoning": "It helps.", "operations": [{"type": "ADD", "text": "Name the un',
    right=False,
    changes=(
        RoleChange("accepted", "added strategy-00001", "Name the unit."),
        RoleChange("refused", "refused: remove x-1", "", "no bullet has that id"),
        RoleChange("held", "held: add", "Open http://example.org", "it holds a URL"),
    ),
    score=((0.1, 1.0), (0.3, 0.75)),
    validation=((0.05, 0.4), (0.3, 0.5)),
    rights=3,
    answered=4,
    bullets=1,
    spent_tokens=12_345,
    skipped=2,
    notes=("Loop 1 made it worse.",),
)
FRAME = LearnFrame(title="harbour.md", stage="learning", fraction=0.3, roles=ROLES, seconds_left=14)
SIZES = [(78, 19), (86, 31), (150, 46)]


@pytest.mark.parametrize("size", SIZES)
def test_question_role_verdict_changes_curves_and_counts_are_shown(size: tuple[int, int]) -> None:
    panel = LearnPanel()

    async def body(pilot: Pilot[None]) -> None:
        panel.frame = FRAME
        await pilot.pause()
        text = screen_text(pilot.app)
        for part in (
            "harbour.md", "loop 1/3   question 4/12", "0:14 left", "the [b]harbour[/b] light",
            "the curator writes   attempt 2", "They want a number.", "reasoning: \"It helps.\"",
            "text: \"Name the un", "✗ wrong", "✓ added strategy-00001 Name the unit.",
            "✗ refused: remove x-1   no bullet has that id", "● held: add", "it holds a URL",
            "75%", "3 of 4 right", "40% → 50%", "1 bullet   12,345 tokens spent   2 skipped",
            "Loop 1 made it worse.",
        ):  # fmt: skip
            assert part in text, part
        for part in ("loss", "α", "held-out", "gate", "tok/s"):
            assert part not in text, part

    drive(panel, body, size)


def test_at_the_end_the_figures_stay_and_the_writing_goes() -> None:
    panel = LearnPanel()

    async def body(pilot: Pilot[None]) -> None:
        panel.frame = replace(FRAME, roles=replace(ROLES, role="", place=()))
        panel.notice = Notice("done", "Learned harbour.md", ("12 questions in 3 loops",))
        await pilot.pause()
        text = screen_text(pilot.app)
        for part in ("12 questions in 3 loops", "40% → 50%", "added strategy-00001", "1 bullet"):
            assert part in text, part
        assert "the curator" not in text
        assert "asked" not in text

    drive(panel, body, (78, 19))


def test_the_next_document_of_another_engine_has_its_own_curves() -> None:
    panel = LearnPanel()

    async def body(pilot: Pilot[None]) -> None:
        panel.frame = FRAME
        await pilot.pause()
        panel.frame = replace(FRAME, roles=None, loss=((0.1, 3.0), (0.3, 2.0)))
        await pilot.pause()
        text = screen_text(pilot.app)
        assert "3.00 → 2.00" in text
        assert "bullet" not in text

    drive(panel, body, (78, 30))


def test_json_is_read_line_by_line_however_far_it_is() -> None:
    assert readable('{"final_answer": "42", "bullet_i') == 'final answer: "42", "bullet_i'
    assert readable('{"final_answer": "42"}') == 'final answer: "42"'
    whole = '{"operations": [{"type": "ADD", "text": "Say \\"type\\": so."}, {"type": "TAG"}]}'
    lines = readable(whole).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["operations", "type", "text", "type"]
    for end in range(len(whole)):
        readable(whole[:end])
    assert readable("no JSON at all") == "no JSON at all"


def test_the_last_lines_are_kept_and_terminal_sequences_never_drawn() -> None:
    frame = RoleFrame(role="generator", thinking="deep " * 400, writing="\x1b[31mred\x07 end")
    drawn = written_lines(frame, 40, 3)
    assert isinstance(drawn, Content)
    lines = drawn.plain.splitlines()
    assert len(lines) == 3
    assert lines[-1] == "red end"
    assert all(len(line) <= 40 for line in lines)
