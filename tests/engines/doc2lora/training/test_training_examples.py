"""Contexts and questions: read, cut, held out, made up."""

from __future__ import annotations

import gzip
import json

import pytest

from engines.doc2lora.training.examples import (
    Asked,
    Context,
    read_contexts,
    sentences,
    sentences_of,
)
from engines.doc2lora.training.hub_rows import read_dataset
from engines.doc2lora.training.needles import needles
from engines.doc2lora.training.self_written import completions, swapped
from engines.protocol import DocumentError
from tests.engines.doc2lora.training.training_data import write_rows

TEXT = "The lamp was built in 1871 by Tobias. A storm took the boat in 1893. Dr. Hay saw it."


def _context(*asked, text=TEXT, origin=""):
    return Context(text, tuple(Asked(q, (a,)) for q, a in asked), "s", origin)


def _words(text):
    return len(text.split())


def test_lines_with_the_same_context_become_one_in_the_order_of_the_file(tmp_path):
    path = write_rows(
        tmp_path / "a.jsonl",
        [
            {"context": "One.", "question": "a?", "answers": ["1", "eins"]},
            {"context": "Two.", "question": "b?", "answers": {"text": ["2"], "answer_start": [0]}},
            {"context": "One.", "question": "c?", "answer": "3"},
            {"context": "One.", "question": "a?", "answers": ["again"]},
            {"context": "One.", "question": "d?", "answers": []},
        ],
    )
    first, second = read_contexts(path, "mine")
    assert (first.text, second.text, first.source) == ("One.", "Two.", "mine")
    assert [(a.question, a.answers) for a in first.asked] == [("a?", ("1", "eins")), ("c?", ("3",))]
    assert second.asked[0].target == "2"


def test_a_compressed_file_reads_the_same(tmp_path):
    row = {"context": "One.", "question": "a?", "answers": ["1"]}
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(row).encode()))
    assert read_contexts(path, "mine")[0].text == "One."


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{\n", "Line 1 of .* is not JSON"),
        ("[1]\n", "Line 1 of .* is not a JSON object"),
        ('{"text": "x"}\n', "nothing with a context, a question and answers"),
    ],
)
def test_a_file_that_is_no_use_is_refused_with_its_name(tmp_path, content, said):
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    with pytest.raises(DocumentError, match=said):
        read_contexts(path, "mine")
    with pytest.raises(DocumentError, match="--data"):
        read_contexts(tmp_path / "none.jsonl", "mine")


def test_sentences_end_where_one_would_say_so():
    assert sentences(TEXT) == [
        "The lamp was built in 1871 by Tobias.",
        "A storm took the boat in 1893.",
        "Dr. Hay saw it.",
    ]


def test_a_question_goes_with_the_one_sentence_that_holds_its_answer():
    made = sentences_of([_context(("Who?", "Tobias"), ("When?", "1893"), ("What?", "a"))])
    assert [(c.text, [a.question for a in c.asked]) for c in made] == [
        ("The lamp was built in 1871 by Tobias.", ["Who?"]),
        ("A storm took the boat in 1893.", ["When?"]),
    ]
    assert {c.origin for c in made} == {TEXT}


def test_a_sentence_is_held_out_with_its_paragraph():
    paragraphs = [_context(("Who?", "Tobias"), text=f"{TEXT} Number {n}.") for n in range(200)]
    held = [p for p in paragraphs if p.is_held_out(10)]
    assert 5 <= len(held) <= 40
    assert held == [p for p in paragraphs if p.is_held_out(10)]
    for paragraph in paragraphs:
        parts = sentences_of([paragraph]) + completions([paragraph]) + swapped([paragraph], 2)
        assert {p.is_held_out(10) for p in parts} == {paragraph.is_held_out(10)}


def test_needles_hold_their_answer_and_come_out_the_same_again():
    filler = ["It rained all day in the hills.", "The road was long."]
    made = needles(60, filler, _words, length=(20, 40), seed=3)
    assert made == needles(60, filler, _words, length=(20, 40), seed=3)
    assert made != needles(60, filler, _words, length=(20, 40), seed=4)
    assert all(c.asked[0].target in c.text for c in made)
    assert all(_words(c.text) <= 40 for c in made)
    assert max(_words(c.text) for c in made) > 25
    assert len({c.text for c in made}) == 60


def test_a_needle_without_filler_stands_alone():
    (one,) = needles(1, [], _words, length=(5, 5))
    assert one.text.count(".") == 1


def test_a_completion_asks_for_what_follows_in_the_text():
    (made,) = completions([_context(("Who?", "Tobias"))])
    assert len(made.asked) == 2  # the third sentence is too short
    for asked in made.asked:
        start = asked.question.split('"')[1].removesuffix(" …")
        assert f"{start} {asked.target}" in TEXT


def test_a_swap_changes_text_and_answer_together_and_leaves_other_questions():
    contexts = [
        _context(("Who?", "Tobias"), ("When was it built?", "1871")),
        _context(("Who?", "Rosa"), ("When?", "1905"), text="Rosa came in 1905."),
    ]
    made = swapped(contexts, 8, seed=1)
    assert made
    for context in made:
        assert context.text not in {c.text for c in contexts}
        assert context.origin in {c.text for c in contexts}
        assert all(asked.target in context.text for asked in context.asked)
    first = next(c for c in made if c.origin == TEXT and "Rosa" in c.text)
    assert "Tobias" not in first.text
    assert {a.question: a.target for a in first.asked} == {
        "Who?": "Rosa",
        "When was it built?": "1871",
    }


def test_an_answer_that_its_question_names_is_not_swapped():
    context = _context(("What did Tobias build, Tobias?", "Tobias"))
    made = swapped([context, _context(("Who?", "Rosa"), text="Rosa came.")], 5)
    assert context.text not in {c.origin for c in made}


def test_a_data_set_reads_as_its_rows_would(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    rows = [{"context": "One.", "question": "a?", "answers": {"text": ["1"], "answer_start": [0]}}]
    write_rows(folder / "train.jsonl", rows)
    (context,) = read_dataset(f"dataset:{folder}", "hub")
    assert (context.text, context.asked, context.source) == ("One.", (Asked("a?", ("1",)),), "hub")
    with pytest.raises(DocumentError, match=r"split nine\) can't be had"):
        read_dataset(f"dataset:{folder}@nine", "hub")


def test_a_data_set_that_cannot_be_reached_is_named():
    with pytest.raises(DocumentError, match=r"nobody/nothing \(split train\) can't be had"):
        read_dataset("dataset:nobody/nothing", "hub")
