"""A playbook is there again at the next start, also one that no document stands behind."""

from __future__ import annotations

from pathlib import Path

from cl_workbench.autosave import Autosave
from engines.ace.engine import AceEngine
from engines.ace.operations import Add
from tests.engines.language_models.scripted_model import ScriptedModel

RULE = Add("strategies", "Read the units of a question first.")


def test_a_rule_written_by_hand_is_there_at_the_next_start(tmp_path: Path):
    first = kept(tmp_path, AceEngine(ScriptedModel("")))
    engine, autosave = first
    engine.edit([RULE])
    assert autosave.keep(engine) is None
    autosave.close()

    again = AceEngine(ScriptedModel(""))
    autosave = Autosave(tmp_path / "session" / "autosave-ace", tmp_path / "checkpoints")
    assert autosave.begin(again) == "Brought back the playbook of the last session; R empties it."
    assert [bullet.text for bullet in again.playbook.bullets] == [RULE.text]
    assert again.history == engine.history


def test_a_playbook_that_nothing_was_done_to_is_not_kept(tmp_path: Path):
    engine, autosave = kept(tmp_path, AceEngine(ScriptedModel("")))
    assert autosave.keep(engine) is None
    assert not (tmp_path / "session" / "autosave-ace").exists()


def kept(folder: Path, engine: AceEngine) -> tuple[AceEngine, Autosave]:
    autosave = Autosave(folder / "session" / "autosave-ace", folder / "checkpoints")
    assert autosave.begin(engine) is None
    return engine, autosave
