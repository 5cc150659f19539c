from __future__ import annotations

from cl_workbench.screens.saved_details import comparison_text, details_text, saved_cells
from engines.catalogue import Comparison, Details, Saved, SavedDocument

WITH = Saved("light", 10, "2025-01-01T00:00:00+00:00", "ttt", "a model", "f", 0.5, 1)
WITHOUT = Saved("birds", 10, "2025-01-01T00:00:00+00:00", "jitrl-full", "a model", "f", None, 1)


def test_a_state_without_alpha_is_told_of_without_it() -> None:
    assert "α 0.50" in details_text(Details(WITH)).plain
    assert "α" not in details_text(Details(WITHOUT)).plain
    assert saved_cells(WITHOUT)[3] == ""
    assert saved_cells(WITH)[3] == "0.50"


def test_its_strength_is_told_where_it_says_one() -> None:
    said = details_text(Details(WITHOUT, settings={"strength": 8.0})).plain
    assert "bias 8.0 as set" in said


def test_a_document_without_losses_is_told_of_without_them() -> None:
    bare = document(None, None)
    read = document(3.0, 2.0)
    assert details_text(Details(WITHOUT, documents=(bare,))).plain.endswith("\nBirds")
    assert "Birds  3.00 → 2.00" in details_text(Details(WITH, documents=(read,))).plain
    same = Comparison(WITHOUT, WITHOUT, True, ((bare, bare),), (), (), ())
    assert "→" not in comparison_text(same).plain
    mixed = Comparison(WITHOUT, WITH, True, ((bare, read),), (), (), ())
    assert "Birds  – and 3.00 → 2.00" in comparison_text(mixed).plain


def test_two_states_without_alpha_are_compared_without_it() -> None:
    same = Comparison(WITHOUT, WITHOUT, True, (), (), (), ())
    assert "α" not in comparison_text(same).plain
    mixed = Comparison(WITH, WITHOUT, True, (), (), (), ())
    assert "α 0.50 and –" in comparison_text(mixed).plain


def document(before: float | None, after: float | None) -> SavedDocument:
    return SavedDocument("a" * 12, "Birds", 9, before, after, None, None, None, None, False, None)
