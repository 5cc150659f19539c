"""What the playbook's screen makes of revisions: their counts, a bullet's history, decisions."""

from __future__ import annotations

from scripted_playbook import AT, URL_RULE, grown, large, waiting

from cl_workbench.screens.playbook_disk import SavedAs, saved_as
from cl_workbench.screens.playbook_rows import (
    SORTS,
    Versions,
    bullet_rows,
    revision_facts,
    revision_row,
    source_text,
    touches,
)
from cl_workbench.screens.playbook_waits import ACCEPTED, REJECTED, Decisions, waiting_row
from engines.ace import files
from engines.ace.bullet import Source
from engines.ace.operations import Merge, Update
from engines.ace.review import offer, pending, settle
from engines.ace.revisions import branch, revert, scored


def said(history, id_):
    return [(touch.number, touch.what) for touch in touches(history, id_)]


def test_the_history_of_a_bullet_holds_what_undoing_and_going_back_did_to_it():
    history = revert(grown(), 1, at=AT.format(7))
    assert said(history, "fact-00004") == [(6, "brought back"), (5, "removed"), (1, "added")]
    assert said(history, "mistake-00006") == [(7, "removed"), (2, "added")]
    assert said(history, "strategy-00001") == [(7, "helpful -3"), (3, "helpful +3"), (1, "added")]
    forked = branch(history, 3, at=AT.format(8))
    assert said(forked, "strategy-00002")[:2] == [(7, "text changed"), (4, "text changed")]
    assert said(forked, "mistake-00006")[0] == (8, "brought back")


def test_the_history_of_a_merged_bullet_names_the_one_that_took_it_in():
    merge = Merge(("mistake-00006", "mistake-00007"), "Read points and wholes with care.")
    history = offer(grown(), [merge], origin="person", at=AT.format(7)).history
    assert said(history, "mistake-00007")[0] == (7, "merged into mistake-00006")
    assert said(history, "mistake-00006")[0] == (7, "text changed, harmful +1")


def test_a_revision_counts_bullets_and_operations():
    history = waiting()
    first, changed, gone = (revision_row(history.revisions[n], True) for n in (1, 4, 5))
    assert (first.added, first.changed, first.removed) == (4, 0, 0)
    assert (changed.added, changed.changed, changed.refused) == (0, 1, 1)
    assert (gone.removed, gone.held) == (1, 0)
    assert revision_row(history.head, True).held == 1


def test_each_order_has_every_bullet_and_words_are_looked_for_everywhere():
    playbook = grown().playbook
    for sort in SORTS:
        assert sorted(row.id for row in bullet_rows(playbook, sort, "")) == sorted(playbook.ids)
    assert [row.id for row in bullet_rows(playbook, "newest", "COMMON add")] == ["mistake-00007"]
    assert not bullet_rows(playbook, "id", "[b]nowhere")


def test_a_difference_goes_from_the_older_to_the_newer_whichever_is_marked():
    history, versions = grown(), Versions()
    facts = revision_facts(history, 2, 5, versions, {})
    assert facts.title == "From revision 2 to 5"
    assert facts == revision_facts(history, 5, 2, versions, {})
    assert [(c.kind, c.id) for c in facts.changes][-1] == ("removed", "fact-00004")
    undone = revision_facts(history, 6, None, versions, {})
    assert [(c.kind, c.id) for c in undone.changes] == [("added", "fact-00004")]
    assert "the playbook of revision 4" in undone.about[0]


def test_a_kept_version_is_not_that_of_another_playbook_with_its_number():
    versions = Versions()
    assert len(versions.at(grown(), 2).bullets) == 7
    assert len(versions.at(large(9, 12), 2).bullets) == 9
    for number in range(12):
        assert versions.at(large(9, 14), number) == large(9, 14).playbook_at(number)


def test_a_document_is_named_by_its_title_where_that_is_known():
    source = Source("ab" * 32, "Why?", 2)
    assert source_text(source, {"ab" * 32: "harbour"}) == "harbour, loop 2, question: Why?"
    assert source_text(source, {}) == "document abababababab, loop 2, question: Why?"
    assert source_text(Source(), {}) == ""


def test_what_waits_warns_of_dangers_and_of_bullets_that_are_gone():
    history = waiting()
    rows = [waiting_row(held, history.playbook, {}, "") for held in pending(history)]
    assert [bool(row.warnings) for row in rows] == [True, False, False, False, False, True]
    assert rows[0].after == URL_RULE
    assert rows[3].told.startswith("helpful 0 → 1: Read the heading")
    lost = history.playbook.without({"fact-00004"})
    assert "only be rejected" in waiting_row(pending(history)[4], lost, {}, "").warnings[0]


def test_decisions_are_kept_until_the_playbook_shows_them():
    history, decisions = waiting(), Decisions()
    held = {one.place: one.operation for one in pending(history)}
    first, second, *_ = held
    edited = Update("strategy-00099", "A text for a bullet that is not there.")
    decisions.add({first: held[first]}, REJECTED, history)
    decisions.add({second: edited}, ACCEPTED, history)
    assert not decisions.follow(history, held)
    assert (decisions.said_of(first), decisions.said_of(second)) == (REJECTED, ACCEPTED)
    after = settle(history, {second: edited}, [first]).history
    faults = decisions.follow(after, [one.place for one in pending(after)])
    assert faults == ["no bullet has that id"]
    assert not decisions


def test_a_playbook_knows_the_file_that_holds_it(tmp_path):
    history = grown()
    files.save(tmp_path, "early", large(3, 4))
    files.save(tmp_path, "mine", history)
    (tmp_path / "torn.json").write_text("{")
    later = scored(revert(history, 2, at=AT.format(9)), 2, 0.5)
    found = saved_as(tmp_path, later)
    assert found == SavedAs("mine", history.head)
    assert found is not None
    assert found.unsaved(later) == 1
    assert found.unsaved(history) == 0
    assert found.unsaved(large(3, 9)) is None
    assert saved_as(tmp_path / "nowhere", history) is None
