"""Which answers count as right."""

from __future__ import annotations

import pytest

from engines.ace.scoring import judged


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("Paris", "paris."),
        ("It was founded in the city of Rotterdam.", "Rotterdam"),
        ("the Harbour", "harbour"),
        ("Yes, it does", "yes"),
        ("5", "5.0"),
        ("$259,000.00", "259000.0"),
        ("-15 million", "-15000000.0"),
        ("\u2212$15,000,000", "-15000000.0"),
        ("20%", "0.2"),
        ("20 %", "20.0"),
        ("8.333", "8.33"),
        ("0.056", "0.06"),
        ("75000 / 15000 = 5.0", "5.0"),
        ("Current ratio = 2", "2.0"),
        ("The current ratio is 2.00", "2.0"),
        ("1e9", "1000000000.0"),
        ("AssetsNet, LongTermDebt", "AssetsNet,LongTermDebt"),
    ],
)
def test_right(answer, gold):
    assert judged(answer, [gold]).right


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("", "Paris"),
        ("Parisian", "Paris"),
        ("no", "yes"),
        ("8.3", "8.33"),
        ("5 or 6 or 7", "5.0"),
        ("fifty", "5.0"),
        ("15000000", "-15000000.0"),
        ("259", "259000.0"),
        ("nan", "5.0"),
        ("LongTermDebt,AssetsNet", "AssetsNet,LongTermDebt"),
        ("word " * 60 + "Rotterdam", "Rotterdam"),
    ],
)
def test_wrong(answer, gold):
    assert not judged(answer, [gold]).right


def test_items_of_a_list_count_each_in_its_place():
    assert judged("A1,B2,C3,X9", ["A1,B2,C3,D4"]).credit == 0.75
    assert judged("A1", ["A1,B2,C3,D4"]).credit == 0.25


def test_any_gold_will_do_and_none_makes_nothing_right():
    assert judged("Rome", ["Paris", "Rome"]).right
    assert not judged("Rome", []).right


def test_a_number_with_too_many_digits_is_an_answer_like_any_other():
    assert not judged("9" * 5000, ["5.0"]).right
    assert not judged("1" + ",000" * 900, ["5.0"]).right
