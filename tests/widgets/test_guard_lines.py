from __future__ import annotations

from dataclasses import replace

import pytest

from widgets.guard_lines import (
    answers_tail,
    guard_line,
    hanging,
    objective_line,
    over_budget,
    overlaps,
)
from widgets.learn_frame import LearnFrame

FRAME = LearnFrame("Harbour", "learning", 0.5)
SHARES = (("Aviary", 0.04), ("Harbour", 0.09), ("Mill", 0.01))


@pytest.mark.parametrize(
    ("room", "shown"),
    [
        (40, "Harbour 9%  Aviary 4%  Mill 1%"),
        (24, "Harbour 9%  Aviary 4%"),
        (12, "Harbour 9%"),
        (9, "Harbo… 9%"),
    ],
)
def test_the_highest_overlaps_come_first_and_only_as_many_as_fit(room: int, shown: str) -> None:
    assert overlaps(SHARES, room) == shown


def test_no_overlap_is_no_text_and_no_room_is_no_error() -> None:
    assert overlaps((), 40) == ""
    assert overlaps(SHARES, 0) == ""


def test_a_long_sentence_hangs_below_its_label_and_is_cut_at_the_last_line() -> None:
    text = hanging("guard", "went back to batch four and goes on at half the rate", "", 30, 2)
    assert text.plain.splitlines() == [
        "guard     went back to batch",
        "          four and goes on at…",
    ]


def test_facts_are_never_broken_and_a_text_gives_way_to_them() -> None:
    words = "went back to batch four"
    whole = hanging("guard", words, "rate 1 → 2", 60, 2).plain
    assert whole == "guard     went back to batch four   rate 1 → 2"
    below = hanging("guard", words, "rate 1 → 2", 40, 2).plain
    assert below.splitlines()[1] == "          rate 1 → 2"
    cut = hanging("guard", words, "rate 1 → 2", 36, 1).plain
    assert cut == "guard     went back to…   rate 1 → 2"


def test_the_rate_is_told_only_where_the_guard_changed_it() -> None:
    same = LearnFrame("a", "learning", 0.5, guard="looked", learning_rates=(5e-4, 5e-4))
    assert guard_line(same, 80, 1).plain == "guard     looked"
    no_guard = LearnFrame("a", "learning", 0.5, learning_rates=(5e-4, 1e-4))
    assert "rate" not in guard_line(no_guard, 80, 1).plain


def test_a_rate_that_the_words_tell_is_not_told_twice() -> None:
    frame = LearnFrame(
        "a", "learning", 0.5, guard="on at a learning rate of 0.00025",
        learning_rates=(5e-4, 2.5e-4),
    )  # fmt: skip
    assert guard_line(frame, 80, 1).plain == "guard     on at a learning rate of 0.00025"


def test_answers_lost_are_counted_from_those_that_were_there_before_the_document() -> None:
    before = ((0.0, 0.8), (0.5, 0.8))
    frame = LearnFrame("a", "learning", 0.5, answers=before, answers_probed=10, answers_budget=0.15)
    assert answers_tail(frame, with_budget=False) == "8 of 10 kept ✓"
    lost = replace(frame, answers=((0.0, 0.8), (0.5, 0.6)))
    assert answers_tail(lost, with_budget=False) == "6 of 10 kept !"
    none_before = replace(frame, answers=((0.0, 0.0),))
    assert answers_tail(none_before, with_budget=False) == "0 of 10 kept"


def test_the_hold_stands_below_a_long_objective_or_alone() -> None:
    frame = LearnFrame("a", "learning", 0.5, objective="mixed: " + "why " * 14, retention_loss=0.01)
    first, second = objective_line(frame, 80, 2).plain.splitlines()
    assert first.startswith("objective mixed: why")
    assert second.strip() == "held to the base: 0.010 nats"
    assert len(objective_line(frame, 80, 1).plain) <= 80
    alone = LearnFrame("a", "learning", 0.5, retention_loss=0.01)
    assert objective_line(alone, 80, 1).plain == "retention held to the base: 0.010 nats"


def test_a_pause_without_a_number_above_its_budget_is_said_in_the_guards_words() -> None:
    frame = LearnFrame("a", "learning", 0.5, guard="the loss is not finite", paused=True)
    assert over_budget(frame) == "the loss is not finite"
    assert over_budget(FRAME) == "the guard asks how to go on"
