"""A person's changes to study items, and the names of files they are written to."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_engine import Script, ScriptedEngine, ScriptedHost

from cl_workbench.screens.exporting import path_of, safe_stem
from cl_workbench.studying import TAKEN_OUT, StudyDraft, prepare
from engines.protocol import Document, DocumentError, StudyItem, StudyPlan

ONE, TWO = StudyItem("question", "Who?", "Masons."), StudyItem("cloze", "It was", "built.")
BAD = StudyItem("question", "What does the text say?", "Much.")
PLAN = StudyPlan("self_study", "It writes well.", (ONE, TWO), ((BAD, "asks about the text"),))


def test_items_are_taken_out_and_used_again() -> None:
    draft = StudyDraft.of(PLAN).take_out(0)
    assert draft.items == (TWO,)
    assert draft.rejected[0] == (ONE, TAKEN_OUT)
    again = draft.use(1)
    assert again.items == (TWO, BAD)
    assert again.rejected == ((ONE, TAKEN_OUT),)
    assert again.edited


def test_a_change_keeps_kind_and_passage_and_no_change_is_none() -> None:
    with_passage = StudyItem("question", "Who?", "Masons.", "Built by masons.")
    draft = StudyDraft((with_passage,))
    assert draft.change(0, "Who?", "Masons.") is draft
    changed = draft.change(0, "Who built it?", "Masons.")
    assert changed.items == (StudyItem("question", "Who built it?", "Masons.", "Built by masons."),)
    assert changed.add("Where?", "At the cape.").items[1].kind == "given"


def test_preparing_reads_the_file_and_ends_with_the_plan(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("A text.", encoding="utf-8")
    engine = ScriptedEngine(ScriptedHost(Script(plan=PLAN)))
    events = list(prepare(engine, path, None))
    assert isinstance(events[0], Document)
    assert events[-1] == PLAN
    with pytest.raises(DocumentError, match=r"none\.txt"):
        list(prepare(engine, tmp_path / "none.txt", None))


def test_a_file_is_named_or_given_by_its_path(tmp_path: Path) -> None:
    assert path_of("items", tmp_path, (".jsonl",)) == tmp_path / "items.jsonl"
    other = tmp_path / "other" / "items.jsonl"
    assert path_of(str(other), tmp_path, (".jsonl",)) == other
    assert safe_stem("Harbour: the [light] of 1871") == "harbour-the-light-of-1871"
    assert safe_stem("灯台") == "document"
