"""From engine events to what is drawn, in plain values."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path

from scripted_learning import gate

from cl_workbench.messages import AnswerEnded, AnswerText, LearnBegan, LearnFailed, LearnSummary
from cl_workbench.screens import learning
from cl_workbench.screens.conversation import Conversation
from cl_workbench.screens.previews import preview_of
from engines.documents import ReadOptions
from engines.protocol import LearnReport, Overlap, Progress, Turn
from widgets.chat_log import Said
from widgets.trend import MAX_POINTS

REPORT = LearnReport(
    id="abc", title="Harbour", path="harbour.md", tokens=900, tokens_read=884,
    loss_before=3.4, loss_after=1.2, held_out_loss_before=3.0, held_out_loss_after=3.09,
    seconds=34, tokens_per_second=212, gate_open_share=0.25, alpha=0.5, learned_at="now",
    notes=("Read 884 of 900 tokens.",),
)  # fmt: skip


def step(fraction: float, **measured: object) -> Progress:
    return Progress(
        "learning", fraction, 10.0, step=9, steps=21, passes_done=2, passes=6, **measured
    )  # type: ignore[arg-type]


def test_a_step_becomes_a_frame_with_longer_curves() -> None:
    learned = learning.begun(LearnBegan("abc", "Harbour", "harbour.md"))
    assert learned.path == Path("harbour.md").absolute()
    learned = learning.advanced(learned, step(0.25, loss=3.0, alpha=0.9, gate=gate()))
    learned = learning.advanced(learned, step(0.5, loss=2.0, alpha=None))
    frame = learned.frame
    assert frame.loss == ((0.25, 3.0), (0.5, 2.0))
    assert frame.alpha == ((0.25, 0.9),)
    assert (frame.pass_number, frame.passes) == (3, 6)
    assert frame.seconds_left == 10.0
    assert frame.gate is not None
    assert len(frame.gate.layers) == 8


def test_curves_stay_bounded_and_finite() -> None:
    learned = learning.begun(LearnBegan("abc", "Harbour", None))
    for number in range(2_000):
        learned = learning.advanced(learned, step(number / 2_000, loss=3.0 if number % 7 else nan))
    assert len(learned.frame.loss) <= MAX_POINTS
    assert all(value == 3.0 for _, value in learned.frame.loss)


def test_there_is_no_time_left_before_there_is_a_speed() -> None:
    assert learning.seconds_left(step(0.0)) is None
    assert learning.seconds_left(step(1.0)) == 0.0


def test_the_end_shows_the_reports_own_numbers() -> None:
    learned = learning.begun(LearnBegan("abc", "Harbour", None))
    frame = learning.finished(learned, REPORT).frame
    assert frame.loss[0] == (0.0, 3.4)
    assert frame.loss[-1] == (1.0, 1.2)
    assert frame.seconds_left is None


def test_a_look_of_the_guard_adds_a_point_and_a_step_in_between_does_not() -> None:
    learned = learning.begun(LearnBegan("abc", "Harbour", None))
    looks = [(0.0, 1, 3.0, 1.0), (0.1, 1, 3.0, 1.0), (0.2, 2, 3.0, 1.0), (0.3, 2, 9.9, 0.0)]
    for share, probes, held_out, kept in looks:
        probe = step(share, probes=probes, held_out_loss=held_out, answers_kept=kept)
        learned = learning.advanced(learned, probe)
    assert learned.frame.held_out == ((0.0, 3.0), (0.2, 3.0))
    assert learned.frame.answers == ((0.0, 1.0), (0.2, 1.0))


def test_what_the_guard_and_the_objective_say_stays_until_they_say_something_else() -> None:
    learned = learning.begun(LearnBegan("abc", "Harbour", None))
    said = step(
        0.1, guard="went back", objective="mixed: why", learning_rate=5e-4, retention_loss=0.01,
        held_out_budget=0.01, answers_budget=0.15, answers_probed=12, paused=True,
        overlaps=(Overlap("x", "Mill", 0.09),),
    )  # fmt: skip
    frame = learning.advanced(learned, said).frame
    assert frame.paused
    assert frame.overlaps == (("Mill", 0.09),)
    later = learning.advanced(learning.advanced(learned, said), step(0.2, learning_rate=2.5e-4))
    assert (later.frame.guard, later.frame.objective) == ("went back", "mixed: why")
    assert (later.frame.held_out_budget, later.frame.answers_budget) == (0.01, 0.15)
    assert later.frame.learning_rates == (5e-4, 2.5e-4)
    assert not later.frame.paused
    assert not learning.decided(learning.advanced(learned, said)).frame.paused


def test_the_summary_says_what_came_of_it_and_what_to_press() -> None:
    summary = LearnSummary((replace(REPORT, answers_kept=11 / 12, answers_probed=12),), ())
    done = learning.summary_notice(summary, held_out_budget=0.01)
    text = "\n".join((done.heading, *done.lines))
    assert done.kind == "done"
    for part in ("0:34", "3.40 → 1.20", "+3.0% !", "884 of 900", "Read 884", "25%", "x forgets",
                 "answers 11 of 12 kept"):  # fmt: skip
        assert part in text, part
    without = "\n".join(learning.summary_notice(summary).lines)
    assert "+3.0%" in without
    assert "!" not in without


def test_failures_are_told_but_not_without_end() -> None:
    failures = tuple(LearnFailed(str(n), f"File {n} is empty.") for n in range(30))
    notice = learning.summary_notice(LearnSummary((), failures))
    assert notice.kind == "failed"
    assert "File 0 is empty." in notice.lines
    assert notice.lines[-1] == "… and 24 more."
    mixed = learning.summary_notice(LearnSummary((REPORT, REPORT), failures[:1]))
    assert mixed.heading == "Learned 2 documents, 1 failed"


def test_a_cancelled_document_is_said_not_to_be_kept() -> None:
    notice = learning.summary_notice(LearnSummary((REPORT,), (), cancelled="Aviary"))
    assert notice.kind == "cancelled"
    assert "Aviary" in notice.heading
    assert any("1 document" in line for line in notice.lines)


def test_notes_of_several_documents_name_their_document() -> None:
    other = replace(REPORT, title="Aviary", notes=("Read 7 of 9 tokens.",))
    failure = LearnFailed("x", "File x is empty.")
    for summary in (
        LearnSummary((REPORT, other), ()),
        LearnSummary((REPORT, other), (failure,)),
        LearnSummary((REPORT, other), (), cancelled="Mill"),
    ):
        lines = learning.summary_notice(summary).lines
        assert "Harbour: Read 884 of 900 tokens." in lines
        assert "Aviary: Read 7 of 9 tokens." in lines
    assert "Read 884 of 900 tokens." in learning.summary_notice(LearnSummary((REPORT,), ())).lines


def test_a_ledger_entry_counts_what_was_read() -> None:
    entry = learning.ledger_entry(replace(REPORT, held_out_loss_before=None))
    assert entry.tokens == 884
    assert entry.held_out_change is None


def test_a_conversation_keeps_answers_and_drops_questions_that_got_none() -> None:
    talk = Conversation((Turn("system", "Be brief."),))
    block = Said("learned", "learned")
    talk.ask("One?")
    talk.expect(1, block, as_turn=True)
    assert talk.waiting
    talk.add(AnswerText(1, "Yes."))
    talk.end(AnswerEnded(1, "Yes.", 1, 1.0))
    assert block.text == "Yes."
    talk.ask("Two?")
    talk.expect(2, Said("learned", "learned"), as_turn=True)
    talk.end(AnswerEnded(2, "", 0, 1.0, failure="It broke."))
    assert [turn.content for turn in talk.turns] == ["Be brief.", "One?", "Yes."]
    assert [turn.content for turn in talk.alone("Three?")] == ["Be brief.", "Three?"]
    talk.clear()
    assert len(talk.turns) == 1
    assert not talk.waiting


def test_previews_never_raise(tmp_path: Path) -> None:
    options = ReadOptions()
    (tmp_path / "binary.txt").write_bytes(b"a\0b")
    (tmp_path / "latin.txt").write_bytes("Hafenmühle".encode("latin-1"))
    (tmp_path / "bom.md").write_text("\ufeff# Title", encoding="utf-8")
    assert "not a text file" in preview_of(tmp_path / "binary.txt", options).note
    assert "Hafenm" in preview_of(tmp_path / "latin.txt", options).text
    markdown = preview_of(tmp_path / "bom.md", options)
    assert (markdown.text, markdown.form) == ("# Title", "markdown")
    assert "not an ordinary file" in preview_of(tmp_path / "gone.txt", options).note
    assert "3 documents" in preview_of(tmp_path, options).note
