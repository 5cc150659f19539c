"""What an answer rests on: the numbers that the model wrote, or the likeliest sentence."""

from __future__ import annotations

import dataclasses

import pytest

from engines.jitrl.citing import cited, without_markers
from engines.protocol import Passage
from tests.engines.learning import AVIARY, HARBOUR

PASSAGES = tuple(
    Passage(document.id, document.title, 1, document.text, 1.0, 0, len(document.text), number)
    for number, document in enumerate((HARBOUR, AVIARY), start=1)
)


def highlight(citation):
    return citation.passage[citation.start : citation.end]


def test_the_numbers_that_the_model_wrote_count_in_their_order():
    found = cited("Matis Orrel sold two windmills [2]. It was dug in 1742 [1].", PASSAGES)
    assert found.marker == ""
    assert [(c.number, c.document_id) for c in found.citations] == [(2, AVIARY.id), (1, HARBOUR.id)]
    assert "windmills" in highlight(found.citations[0])
    assert "1742" in highlight(found.citations[1])


def test_a_number_behind_the_full_stop_belongs_to_the_sentence_before():
    found = cited("It was dug in 1742. [1] Parrots live there. [2]", PASSAGES)
    assert "1742" in highlight(found.citations[0])
    assert "parrots" in highlight(found.citations[1])


def test_several_numbers_in_one_bracket_count():
    assert [c.number for c in cited("Both [1, 2].", PASSAGES).citations] == [1, 2]


def test_a_number_that_no_passage_has_cites_nothing_and_gets_no_second_one():
    found = cited("The crane is made of black larch [7].", PASSAGES)
    assert [c.number for c in found.citations] == [1]
    assert found.marker == ""
    assert cited("Bananas are cheap [7].", PASSAGES).citations == ()
    both = cited("The crane is made of black larch [7] [2].", PASSAGES)
    assert [c.number for c in both.citations] == [2]


@pytest.mark.parametrize(
    "answer", ["Take windmills[1] or grid[0][1].", "Take windmills_2[1].", "Take windmills [x][1]."]
)
def test_an_index_in_code_is_no_citation(answer):
    assert cited(answer, PASSAGES).citations == ()


@pytest.mark.parametrize("answer", ["In 1742.[1][2]", "In 1742 [1][2].", "一七四二年[1]、[2]。"])
def test_numbers_side_by_side_and_behind_other_scripts_count(answer):
    assert [c.number for c in cited(answer, PASSAGES).citations] == [1, 2]


def test_a_number_that_the_document_itself_has_there_is_no_citation():
    own = dataclasses.replace(PASSAGES[0], text=HARBOUR.text.replace("women", "women [2]"))
    found = cited("The harbour was dug by forty women [2] from Oster.", (own, PASSAGES[1]))
    assert [c.number for c in found.citations] == [1]
    assert "forty women [2]" in highlight(found.citations[0])
    found = cited("It was dug by forty women [2], and parrots live there [2].", (own, PASSAGES[1]))
    assert "parrots" in highlight(found.citations[0])


def test_a_text_without_markers_keeps_its_code():
    text = "Dug in 1742 [1][2], [3, 4] and x[5]; see [a] and [2024]."
    assert without_markers(text) == "Dug in 1742 (1)(2), (3, 4) and x[5]; see [a] and [2024]."


def test_without_a_number_the_passage_with_the_likeliest_sentence_is_cited():
    found = cited("Its founder Matis Orrel paid for it with two windmills.", PASSAGES)
    assert found.marker == " [2]"
    (citation,) = found.citations
    assert (citation.number, citation.document_id) == (2, AVIARY.id)
    assert highlight(citation).startswith("Its founder, Matis Orrel")
    assert highlight(citation).endswith(
        "1888, and no bird has flown away since the second gate was hung."
    )


def test_one_figure_is_enough_for_an_answer_that_has_nothing_else():
    (citation,) = cited("1742", PASSAGES).citations
    assert "dug in 1742" in highlight(citation)


def test_an_answer_from_elsewhere_cites_nothing():
    for answer in ("", "   ", "Yes.", "The boats of Lisbon carry cork and olives to Brazil."):
        assert cited(answer, PASSAGES).citations == ()
        assert cited(answer, PASSAGES).marker == ""


def test_only_passages_in_the_context_are_cited():
    left_out = tuple(Passage(p.document_id, p.title, 1, p.text, 1.0) for p in PASSAGES)
    assert cited("The crane is made of black larch [1].", left_out).citations == ()


def test_a_valid_number_whose_passage_says_nothing_of_it_has_no_highlight():
    (citation,) = cited("Bananas are cheap [1].", PASSAGES).citations
    assert (citation.start, citation.end) == (0, 0)
